# Freezes the library and the node: make BOARD=RPI_PICO FROZEN_MANIFEST=<this file>
include("$(PORT_DIR)/boards/manifest.py")
include("../../manifest.py")
module("node.py", base_path="..")
module("node_report.py", base_path="..")
module("node_report_blocking.py", base_path="..")
module("board.py")
module("main.py")
