# Written by tools/packages.py.
metadata(
    description="LwM2M for MicroPython through a LEXI-R10 LTE module.",
    license="MIT",
)
add_library("lexi-parts", "packages")
require("atport", library="lexi-parts")
require("lexi", library="lexi-parts")
require("lexi-recovery", library="lexi-parts")
require("lwm2m", library="lexi-parts")
