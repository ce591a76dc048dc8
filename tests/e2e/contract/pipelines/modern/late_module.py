from common import escape


def discover(name):
    return {escape(part) for part in name.split('\0')}
