# Freezes the library and the node into the unix port: make FROZEN_MANIFEST=<this file>
include("$(PORT_DIR)/variants/manifest.py")
include("../../manifest.py")
module("node.py", base_path="..")
module("node_report.py", base_path="..")
module("node_report_blocking.py", base_path="..")
module("board.py")
module("main.py")
