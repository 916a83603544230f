"""What this machine says of itself, to compare with what collectd says."""

import os


def memory():
    """Bytes that are in use as collectd counts them, and all bytes."""
    with open("/proc/meminfo") as lines:
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    free = sum(kilobytes[name] for name in ("MemFree", "Buffers", "Cached", "Slab"))
    return (kilobytes["MemTotal"] - free) * 1024, kilobytes["MemTotal"] * 1024


def root_bytes():
    stat = os.statvfs("/")
    return stat.f_blocks * stat.f_frsize
