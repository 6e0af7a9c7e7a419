# An AT port for any modem: bytes to lines, one command at a time, URCs to their handlers.
