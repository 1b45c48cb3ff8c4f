"""The subnets that a module has before anybody sets one."""

from esp32sock.simulator.environment.radio import Subnet

NO_SUBNET = Subnet(address="0.0.0.0", gateway="0.0.0.0", netmask="0.0.0.0")
SOFTAP_SUBNET = Subnet(address="192.168.4.1", gateway="192.168.4.1", dns="")
"""At-dialects 6."""
