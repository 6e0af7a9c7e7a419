# Written by tools/packages.py.
metadata(
    description="Gets lost LwM2M registrations of a LEXI-R10 back.",
    license="MIT",
)
add_library("lexi-parts", "..")
require("atport", library="lexi-parts")
require("lexi", library="lexi-parts")
package(
    "lexi",
    base_path="../../lib",
    files=(
        "recovery/__init__.py",
        "recovery/acting.py",
        "recovery/blocking.py",
        "recovery/booking.py",
        "recovery/budget.py",
        "recovery/case.py",
        "recovery/contact.py",
        "recovery/diagnosis.py",
        "recovery/fota.py",
        "recovery/hearing.py",
        "recovery/keep.py",
        "recovery/ladder.py",
        "recovery/moves.py",
        "recovery/options.py",
        "recovery/policies.py",
        "recovery/policy.py",
        "recovery/policy_check.py",
        "recovery/polls.py",
        "recovery/reader.py",
        "recovery/reports.py",
        "recovery/rtc.py",
        "recovery/server_state.py",
        "recovery/store.py",
        "recovery/supervisor.py",
        "recovery/telling.py",
        "recovery/texts.py",
        "recovery/view.py",
    ),
)
