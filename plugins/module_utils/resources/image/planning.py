# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image needs: refusals first, then steps. Nothing here touches a file but by the closures in the steps."""

from __future__ import annotations

import os

from ...errors import IntakeError, Refused
from ...files import qcow2, transfer
from ...flow.converge import DESTRUCTIVE, Plan, Step
from . import delivery, matching
from .delivery import Arrival
from .reading import stamp_of
from .sources import source_of

LIVE_FIELDS = ("description", "labels")


class ImagePlanner:
    """Plans one item. `images` is the Images resource: it knows users, catalogues, checksums and other contents."""

    def __init__(self, images, have, want):
        self.images, self.have, self.want = images, have, want
        self.who = f"image {want['name']}"
        self.root = images.root(want["storage"])
        self.final_name = want.get("new_name") or want["name"]
        self.name = have["name"] if have else self.final_name
        self.result = Plan(want["name"])

    def plan(self):
        """The Plan. Raises IntakeError."""
        if self.want["state"] == "absent":
            self.plan_absent()
        elif self.have is None:
            self.plan_new()
        else:
            self.plan_existing()
        return self.result

    def step(self, verb, name, work, **more):
        """One more step; its errors name the image."""
        self.result.steps.append(Step(verb, name, named(self.who, work), **more))

    # absent

    def plan_absent(self):
        """Remove the file and whatever an unfinished transfer left."""
        if self.have:
            if self.have["kind"] != "image":
                raise Refused(f"{self.who}: is a volume, not an image; remove it with intake_volume", "kind_mismatch")
            self.refuse_users("cannot be removed")
            self.step("remove", "image", self.remove, risk=DESTRUCTIVE, before=self.facts(), after=None)
        if delivery.leftovers(self.root, self.name):
            before = {"unfinished": self.name}
            self.step("remove", "unfinished transfer", lambda: delivery.clear(self.root, self.name), before=before)

    def facts(self):
        """An existing image in a diff."""
        return {key: self.have[key] for key in ("format", "size", "checksum", "source") if self.have[key] is not None}

    def remove(self):
        """File first: a record without a file is none."""
        os.unlink(self.have["path"])
        self.catalogue().remove(self.have["name"])

    # present

    def plan_new(self):
        """Bring content to a name that has none."""
        source = source_of(self.want)
        if source is None:
            raise Refused(f"{self.who}: does not exist in storage {self.want['storage']}; say url, path, src or volume to make it", "source_missing")
        source.check(self.images, self.want)
        self.plan_content(source, self.asked(source), before=None)

    def plan_existing(self):
        """Adopt, renew, convert, rename and describe what is there, as far as asked."""
        self.refuse_volume()
        source = source_of(self.want)
        asked = self.asked(source)
        renew = bool(asked) and not matching.has_content(self.who, self.have, asked, source)
        renew = renew or bool(asked and source) and matching.is_packed_otherwise(self.have, self.want["decompress"] == "auto")
        if self.have["kind"] != "image":
            self.step("adopt", "kind", lambda: self.put_record(kind="image"), after="image")
        if renew:
            self.plan_renewal(source, asked)
        else:
            self.plan_note(asked)
            self.plan_conversion()
        self.plan_name()
        self.plan_fields()
        if not renew and delivery.leftovers(self.root, self.name):
            self.step("clear", "leftover", lambda: delivery.clear(self.root, self.name), silent=True)

    def refuse_volume(self):
        """A volume keeps its name, and a file of nobody that a VM writes to is a volume too."""
        if self.have["kind"] == "image":
            return
        users = self.images.users(self.have["path"])
        if self.have["kind"] == "volume" or users:
            used = f" (used by {', '.join(users)})" if users else ""
            raise Refused(f"{self.who}: a volume of this name exists in storage {self.want['storage']}{used}; choose another name", "kind_mismatch")

    def asked(self, source):
        """The Checksum the content must have, looked up where only its list was named; or None."""
        if self.want.get("checksum"):
            return self.images.checksum(self.want, source.file if source else self.want["name"])
        return source.sum if source else None

    def plan_note(self, asked):
        """Remember a sum that was computed, so that the next run need not."""
        recorded = self.have["record"].get("digests") or {}
        if not asked or (asked.algorithm in recorded and not self.have["outside"]):
            return
        digests = matching.known_digests(self.who, self.have, asked.algorithm)
        facts = {"digests": digests, "checksum": str(asked), "stamp": self.have["stamp"], "as_it_came": True, "kind": "image"}
        self.step("note", "checksum", lambda: self.put_record(**facts), silent=True)

    def plan_renewal(self, source, asked):
        """New content under an old name."""
        source.check(self.images, self.want)
        self.refuse_users("cannot get new content")
        self.plan_content(source, asked, before=self.facts())

    def plan_content(self, source, asked, before):
        """The step that brings content: from another image that has it already, else from its source."""
        arrival = self.arrival(source, asked)
        after = {"source": source.shown, "checksum": str(asked) if asked else None, "format": self.want.get("format")}
        if before is None:
            after.update((key, self.want.get(key)) for key in LIVE_FIELDS)
        after = {key: value for key, value in after.items() if value}
        twin = self.images.twin(arrival, self.want)
        if twin:
            self.step("copy", "content", lambda: self.copy(arrival, twin), before=before, after=after)
            return
        shared = self.images.shared(source.key(self.want, asked))
        verb = "copy" if shared and not shared.mine else source.verb
        self.step(verb, "content", lambda: self.bring(arrival, source, shared), before=before, after=after)

    def arrival(self, source, asked):
        """The way of the content into the storage; what is known already goes into its record."""
        record = {key: self.have["record"].get(key) for key in LIVE_FIELDS} if self.have else {}
        if not self.have:
            record = {key: self.want.get(key) for key in LIVE_FIELDS}
        record.update(source=source.shown)
        unpack = self.want["decompress"] == "auto"
        return Arrival(self.root, self.name, asked, self.want.get("format"), unpack, record, replace=bool(self.have))

    def copy(self, arrival, twin):
        """From another image of the storage."""
        arrival.from_image(twin.path, twin.record, self.catalogue())

    def bring(self, arrival, source, shared):
        """From the source, or from the image of this call that brings the same content."""
        if not shared:
            source.bring(arrival, self.images, self.want)
            return
        with shared.turn() as first:
            if first:
                arrival.from_image(first, self.images.catalogue(os.path.dirname(first)).get(os.path.basename(first)), self.catalogue())
            else:
                source.bring(arrival, self.images, self.want)
                shared.has(arrival.final)

    def plan_conversion(self):
        """Another format of the same content."""
        wanted = self.want.get("format")
        if not wanted or wanted == self.have["format"]:
            return
        if "iso" in (wanted, self.have["format"]):
            raise Refused(f"{self.who}: is {self.have['format']}, asked for {wanted}; ISO images are never converted", "iso_not_converted")
        self.refuse_users(f"cannot be converted to {wanted}")
        self.step("convert", "format", lambda: self.convert(wanted), before=self.have["format"], after=wanted)

    def convert(self, wanted):
        """In place of the old file, at once."""
        record = {**self.have["record"], **self.catalogue().get(self.have["name"])}
        arrival = Arrival(self.root, self.name, None, wanted, False, record, replace=True)
        arrival.from_image(self.have["path"], {"source_format": self.have["format"], **record, "format": self.have["format"]}, self.catalogue())

    def plan_name(self):
        """Rename; nothing may know the old name."""
        if self.have["name"] == self.final_name:
            return
        final = os.path.join(self.root, self.final_name)
        two_names = os.path.exists(final) and os.path.samefile(final, self.have["path"])  # a run was killed between them
        if os.path.lexists(final) and not two_names:
            raise Refused(f"{self.who}: cannot be renamed to {self.final_name}, which exists in storage {self.want['storage']}", "name_taken")
        self.refuse_users(f"cannot be renamed to {self.final_name}")
        self.step("rename", "name", self.rename, before=self.have["name"], after=self.final_name)

    def rename(self):
        """File and record; a run killed between the two leaves a file that the next run adopts."""
        self.catalogue().put(self.final_name, self.catalogue().get(self.have["name"]))
        transfer.rename_new(self.have["path"], os.path.join(self.root, self.final_name))
        self.catalogue().remove(self.have["name"])

    def plan_fields(self):
        """Description and labels."""
        for key in LIVE_FIELDS:
            wanted = self.want.get(key)
            if wanted is not None and (wanted or None) != (self.have[key] or None):
                self.step("change", key, lambda key=key, wanted=wanted: self.put_record(kind="image", **{key: wanted}), before=self.have[key], after=wanted)

    def put_record(self, **changes):
        """Change the record of what the image is called by then."""
        catalogue = self.catalogue()
        name = self.final_name if os.path.lexists(os.path.join(self.root, self.final_name)) else self.have["name"]
        if "stamp" not in changes and "stamp" not in catalogue.get(name):
            changes["stamp"] = stamp_of(os.stat(os.path.join(self.root, name)))
        catalogue.update(name, **changes)

    def refuse_users(self, what):
        """Refuse, naming who uses the file."""
        users = self.images.users(self.have["path"])
        if users:
            raise Refused(f"{self.who}: {what} while it is used by {', '.join(users)}", "in_use")
        if qcow2.is_in_use(self.have["path"]) and not transfer.is_left_open(self.have["path"]):
            raise Refused(f"{self.who}: {what} while it is open in a running QEMU or qemu-img", "in_use")

    def catalogue(self):
        """The records of the storage."""
        return self.images.catalogue(self.root)


def named(who, work):
    """The same work, whose errors begin with the image's name."""

    def run():
        try:
            return work()
        except IntakeError as error:
            if str(error).startswith(who):
                raise
            raise type(error)(f"{who}: {error}", error.reason) from error

    return run
