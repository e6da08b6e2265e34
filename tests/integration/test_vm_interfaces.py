# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of an interface, each set when it is made, changed, and taken away, and seen in libvirt's own XML."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

NETWORK, OTHER = "{prefix}-net", "{prefix}-othernet"  # filled in where they are asked for

# Per option: what is asked of the interface `lan`, stage by stage, and where libvirt says so in its <interface>.
OPTIONS = {
    "network": [
        ({"network": NETWORK}, {"::type": "network", "source::network": NETWORK, "model::type": "virtio"}),
        ({"network": OTHER}, {"::type": "network", "source::network": OTHER}),
        ({"bridge": "br-none"}, {"::type": "bridge", "source::bridge": "br-none", "source::network": None}),
    ],
    "bridge": [
        ({"bridge": "br-none"}, {"::type": "bridge", "source::bridge": "br-none"}),
        ({"bridge": "br-other"}, {"::type": "bridge", "source::bridge": "br-other"}),
        ({"user": True}, {"::type": "user", "source::bridge": None}),
    ],
    "user": [
        ({"user": True}, {"::type": "user", "model::type": "virtio"}),
        ({"network": NETWORK}, {"::type": "network", "source::network": NETWORK}),
        ({"user": True}, {"::type": "user", "source::network": None}),
    ],
    "mac": [
        ({"user": True, "mac": "52:54:00:AB:cd:01"}, {"mac::address": "52:54:00:ab:cd:01"}),
        ({"mac": "52:54:00:ab:cd:02"}, {"mac::address": "52:54:00:ab:cd:02", "::type": "user"}),
    ],
    "model": [
        ({"user": True, "model": "e1000e"}, {"model::type": "e1000e"}),
        ({"model": "virtio"}, {"model::type": "virtio"}),
    ],
    "vlan": [
        ({"network": NETWORK, "vlan": 7}, {"vlan/tag::id": "7"}),
        ({"vlan": 4094}, {"vlan/tag::id": "4094", "source::network": NETWORK}),
        ({"vlan": 0}, {"vlan": False}),
    ],
    "link": [
        ({"user": True, "link": "down"}, {"link::state": "down"}),
        ({"link": "up"}, {"link::state": "up"}),
        ({"link": "down"}, {"link::state": "down"}),
    ],
    "boot_order": [
        ({"user": True, "boot_order": 1}, {"boot::order": "1"}),
        ({"boot_order": 2}, {"boot::order": "2"}),
        ({"boot_order": 0}, {"boot": False}),
    ],
}
STAGES = max(len(stages) for stages in OPTIONS.values())


def filled(values, prefix):
    """The same with the networks of this run."""
    return {key: value.format(prefix=prefix) if isinstance(value, str) else value for key, value in values.items()}


def look(element, place, value):
    """What libvirt says at path or path::attribute; of a path that False is expected of, whether it is there."""
    path, _colons, attribute = place.partition("::")
    found = element.find(path) if path else element
    if value is False:
        return found is not None
    return None if found is None else found.get(attribute)


@pytest.fixture(scope="module")
def networks(prefix, connection):
    """Two defined networks that are never started."""
    made = [connection.networkDefineXML(f"<network><name>{name.format(prefix=prefix)}</name></network>") for name in (NETWORK, OTHER)]
    yield [network.name() for network in made]
    for network in made:
        network.undefine()


@pytest.fixture
def name(forget_vms, unique):
    """A name whose machines go away."""
    yield unique
    forget_vms(unique)


@pytest.fixture
def interfaces_of(connection):
    """interfaces_of(machine) -> {name or MAC: libvirt's <interface>}."""

    def find(vm):
        root = ET.fromstring(connection.lookupByName(vm).XMLDesc(3))
        return {one.find("alias").get("name")[3:] if one.find("alias") is not None else one.find("mac").get("address"): one for one in root.iter("interface")}

    return find


@pytest.fixture(scope="module")
def edited(prefix, networks, ensure, connection, forget_vms):
    """{option: [(entry of the result, libvirt's <interface>) of each stage]}: all machines in one call a stage."""
    beginning, found = f"{prefix}-interface", {option: [] for option in OPTIONS}
    try:
        for stage in range(STAGES):
            wants = {option: filled(stages[stage][0], prefix) for option, stages in OPTIONS.items() if stage < len(stages)}
            other = [{"name": "other", "user": True}]
            vms = [{"name": f"{beginning}-{option}", "interfaces": [*other, {"name": "lan", **want}]} for option, want in wants.items()]
            done = ensure("intake_vm", vms=vms)
            for option, entry in zip(wants, done["resources"]):
                root = ET.fromstring(connection.lookupByName(f"{beginning}-{option}").XMLDesc(3))
                assert len(root.findall("devices/interface")) == 2
                found[option].append((entry, root.find("devices/interface/alias[@name='ua-lan']/..")))
        yield found
    finally:
        forget_vms(beginning)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_is_set_changed_and_taken_away(option, edited, prefix):
    for (want, expected), (_entry, interface) in zip(OPTIONS[option], edited[option]):
        seen = {place: look(interface, place, value) for place, value in expected.items()}
        assert seen == filled(expected, prefix), want


@pytest.mark.parametrize("option", OPTIONS)
def test_a_change_is_one_step_and_keeps_the_address(option, edited):
    addresses = [interface.find("mac").get("address") for _entry, interface in edited[option]]
    assert option == "mac" or len(set(addresses)) == 1
    for index, (entry, interface) in enumerate(edited[option]):
        assert [(step["verb"], step["name"]) for step in entry["steps"]] == [("edit" if index else "define", "definition")]
        assert entry["state"]["interfaces"]["lan"]["mac"] == addresses[index]
        assert entry["state"]["interfaces"]["lan"]["type"] == interface.get("type")


def test_interfaces_come_and_go_and_the_others_stay(name, ensure, interfaces_of):
    ensure("intake_vm", name=name, interfaces=[{"name": one, "user": True} for one in ("a", "b")])
    before = interfaces_of(name)
    assert len({one.find("mac").get("address") for one in before.values()}) == 2
    ensure("intake_vm", name=name, interfaces=[{"name": "a", "state": "absent"}, {"name": "c", "bridge": "br-none"}, {"name": "never", "state": "absent"}])
    after = interfaces_of(name)
    assert list(after) == ["b", "c"] and ET.tostring(after["b"]) == ET.tostring(before["b"])


def test_an_interface_of_others_is_found_by_its_address_or_as_the_only_one_on_its_network(name, networks, connection, ensure, interfaces_of):
    network, other = networks
    cards = "".join(
        f"<interface type='network'><mac address='52:54:00:00:00:0{index}'/><source network='{one}'/><model type='e1000'/></interface>"
        for index, one in enumerate([network, other, other])
    )
    connection.defineXML(f"<domain type='qemu'><name>{name}</name><memory>65536</memory><os><type>hvm</type></os><devices>{cards}</devices></domain>")
    wants = [{"name": "lan", "network": network}, {"name": "dmz", "mac": "52:54:00:00:00:02"}, {"name": "52:54:00:00:00:01", "link": "down"}]
    ensure("intake_vm", name=name, interfaces=wants, purge=True)
    found = interfaces_of(name)
    assert {key: one.find("mac").get("address") for key, one in found.items()} == {
        "lan": "52:54:00:00:00:00",
        "dmz": "52:54:00:00:00:02",
        "52:54:00:00:00:01": "52:54:00:00:00:01",
    }
    assert found["52:54:00:00:00:01"].find("link").get("state") == "down"
    assert {one.find("model").get("type") for one in found.values()} == {"e1000"}


def test_the_order_of_booting_is_over_all_devices(name, ensure, connection):
    ensure("intake_vm", name=name, interfaces=[{"name": "a", "user": True, "boot_order": 1}, {"name": "b", "user": True, "boot_order": 2}])
    ensure("intake_vm", name=name, interfaces=[{"name": "a", "boot_order": 2}, {"name": "b", "boot_order": 1}])
    root = ET.fromstring(connection.lookupByName(name).XMLDesc(3))
    assert root.find("os/boot") is None
    assert [one.find("boot").get("order") for one in root.iter("interface")] == ["2", "1"]


REFUSED = {
    "two connections": ([{"network": "x", "bridge": "y"}], "invalid_interface"),
    "three connections": ([{"network": "x", "bridge": "y", "user": True}], "invalid_interface"),
    "no connection": ([{}], "invalid_interface"),
    "no address": ([{"user": True, "mac": "52:54:00"}], "invalid_mac"),
    "a multicast address": ([{"user": True, "mac": "53:54:00:00:00:01"}], "invalid_mac"),
    "markup as address": ([{"user": True, "mac": "<b>&'\""}], "invalid_mac"),
    "a tag too high": ([{"network": "x", "vlan": 4095}], "invalid_vlan"),
    "a negative tag": ([{"network": "x", "vlan": -1}], "invalid_vlan"),
    "markup as model": ([{"user": True, "model": "<b>&'\""}], "invalid_model"),
    "an order below one": ([{"user": True, "boot_order": -1}], "invalid_boot_order"),
    "an order twice": ([{"name": "a", "user": True, "boot_order": 1}, {"name": "b", "user": True, "boot_order": 1}], "duplicate_boot_order"),
    "a name twice": ([{"user": True}, {"user": True}], "duplicate_name"),
    "a name libvirt drops": ([{"name": "eth0.7", "user": True}], "invalid_name"),
    "a control character": ([{"bridge": "br\x070"}], "invalid_text"),
    "an unknown network": ([{"network": "ivt-no-such-network"}], "network_not_found"),
    "a tag without a switch": ([{"user": True, "vlan": 7}], "invalid_vlan"),
}


@pytest.fixture(scope="module")
def refusals(prefix, run_module):
    """{what: (reason, sentence)} of new machines in one call, in check mode and without it."""
    vms = [{"name": f"{prefix}-no {what}", "interfaces": [{"name": "lan", **one} for one in ones]} for what, (ones, _reason) in REFUSED.items()]
    results = [run_module("intake_vm", check, vms=vms) for check in (True, False)]
    assert all("resources" in result for result in results), results[0]["msg"]
    found = [{what: (entry.get("reason"), entry["error"]) for what, entry in zip(REFUSED, result["resources"])} for result in results]
    assert found[0] == found[1] and not results[1]["changed"]
    return found[0]


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_meant_is_refused(what, refusals, prefix):
    reason, sentence = refusals[what]
    assert reason == REFUSED[what][1], sentence
    assert sentence.startswith(f"vm {prefix}-no {what}: ")
