"""SOCKS5, an HTTP proxy and forwards: the module as a network for programs that are not Python."""
