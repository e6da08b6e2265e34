# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only user of AnsibleModule: argument specs, merging of items, sessions, results."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

from ..errors import IntakeError, Refused
from ..host.hypervisor import faults, session
from .converge import converge, summary

CONNECTION = {"uri": {"type": "str", "default": "qemu:///system"}}
WRITING = {**CONNECTION, "lock_timeout": {"type": "int", "default": 60}}


class Entrypoint(AnsibleModule):
    """Hides the secrets of list items too, which AnsibleModule takes for plain dicts, from the system's log and every result."""

    def __init__(self, resource, **more):
        self.resource = resource
        super().__init__(**more)

    def _load_params(self):  # the one moment before anything can be logged or fail
        super()._load_params()
        items = self.params.get(self.resource.plural)
        for item in [self.params, *(items if isinstance(items, list) else ())]:
            if isinstance(item, dict):
                self.no_log_values.update(secrets_of(item, self.resource.spec), self.resource.secrets(item))

    def _log_invocation(self):  # the task's own no_log, mostly false, replaces one that a module is made with
        self.log(f"Invoked with {hidden(self.params)}")

    def fail_json(self, msg, **more):
        """AnsibleModule's own failures, over an option that does not exist, show all arguments; documents in them hold secrets."""
        more.setdefault("invocation", {"module_args": hidden(getattr(self, "params", {}))})
        super().fail_json(msg, **more)


def secrets_of(item, spec):
    """The values of no_log options in a dict of options, those of its sub-options included."""
    for key, option in spec.items():
        value = item.get(key)
        if option.get("no_log") and value:
            yield str(value)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict) and "options" in option:
                yield from secrets_of(part, option["options"])


DOCUMENTS = ("user_data", "network_config", "write_files", "runcmd")
SECRET_WORDS = ("passw", "passphrase", "secret", "token")
HIDDEN = "(not shown)"


def writing_spec(resource):
    """The argument spec of a writing module: the resource's options flat, and the same as items of a list."""
    items = {resource.plural: {"type": "list", "elements": "dict"}}
    return {**resource.spec, **items, **WRITING}


def run_writing(resource):
    """A writing module: `resource` is a Resource class that also says `spec` (every option of one item)."""
    module = Entrypoint(resource, argument_spec=writing_spec(resource), supports_check_mode=True)
    guarded(module, lambda: write(module, resource))


def write(module, resource):
    """Validate, converge, and leave with the result."""
    wants = merged_items(module, resource)
    with session(module.params["uri"]) as hypervisor:
        busy = resource(hypervisor, module.params)
        result = {**summary(busy, converge(busy, wants, module.check_mode)), "hypervisor": known_as(hypervisor)}
    for warning in result.pop("warnings"):
        module.warn(warning)
    if not module._diff:  # the documented flag has no public name in ansible-core 2.16
        result.pop("diff")
    leave(module, **result)


def known_as(hypervisor):
    """What a hypervisor is known by, whatever name an inventory gives it."""
    found = hypervisor.identity()
    return {"uuid": found["host"], "hostname": found["hostname"]}


def leave(module, **result):
    """End the module, with its arguments as they may be shown."""
    end = module.fail_json if result.get("failed") else module.exit_json
    end(invocation={"module_args": hidden(module.params)}, **result)


def hidden(value, key=""):
    """Arguments without secrets: passwords by the names they go by, and whole documents that may hold some."""
    if value and (key in DOCUMENTS or any(word in key for word in SECRET_WORDS)) and not isinstance(value, bool):
        return HIDDEN
    if isinstance(value, dict):
        return {inner: hidden(content, str(inner).lower()) for inner, content in value.items()}
    if isinstance(value, str) and "://" in value and "?" in value:  # the query of a URL may be a signature
        return f"{value.partition('?')[0]}?{HIDDEN}"
    return [hidden(inner) for inner in value] if isinstance(value, list) else value


def merged_items(module, resource):
    """One dict of options per item, each validated like a single resource, flat options as defaults."""
    params = module.params
    items = params[resource.plural]
    flat = {key: params[key] for key in resource.spec}
    if items is None:
        return [checked(module, resource, flat)]
    if params.get("name"):
        raise Refused(f"name and {resource.plural} cannot be given together; put the name into the list", "ambiguous_name")
    return [checked(module, resource, {**flat, **{key: value for key, value in item.items() if value is not None}}) for item in items]


def checked(module, resource, item):
    """The coerced options of one item. Raises Refused with the validator's own words."""
    if not item.get("name"):
        raise Refused(f"every {resource.noun} needs a name", "name_missing")
    outcome = validator(resource).validate(said(item))
    module.no_log_values.update(outcome._no_log_values)
    faults_found = [words_of(error) for error in outcome.errors] + (["a NUL character is in no option"] if has_nul(item) else [])
    if faults_found:
        raise Refused(f"{resource.noun} {item['name']}: {'; '.join(faults_found)}", "invalid_options")
    return outcome.validated_parameters


def words_of(error):
    """A validator's error; that of an unknown option only lists it."""
    return f"Unsupported parameters: {error}" if isinstance(error, UnsupportedError) else str(error)


def has_nul(value):
    """True where a text has a NUL, which no file name, XML or program's argument can hold."""
    if isinstance(value, (dict, list)):
        return any(has_nul(inner) for inner in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and "\0" in value


def said(value):
    """A copy without the None that stands for what was not said, at any depth."""
    if isinstance(value, dict):
        return {key: said(inner) for key, inner in value.items() if inner is not None}
    return [said(inner) for inner in value] if isinstance(value, list) else value


def validator(resource):
    """One validator per resource class."""
    if "validator" not in vars(resource):
        rules = getattr(resource, "rules", {})
        resource.validator = ArgumentSpecValidator(resource.spec, **rules)
    return resource.validator


def run_reading(resource, spec):
    """An info module: lists resources through the same reader, filtered."""
    module = AnsibleModule(argument_spec={**spec, **CONNECTION}, supports_check_mode=True)
    guarded(module, lambda: read(module, resource))


def read(module, resource):
    """Leave with everything that passes the filters, sorted by name."""
    with session(module.params["uri"]) as hypervisor:
        result = {**resource(hypervisor, module.params).list(module.params), "hypervisor": known_as(hypervisor)}
    for warning in [*result.pop("warnings", ()), *(one["msg"] for one in result.get("unreadable", ()))]:
        module.warn(warning)
    module.exit_json(changed=False, **result)


def guarded(module, work):
    """Turn our errors, and libvirt's, into a failed result with a sentence."""
    try:
        work()
    except IntakeError as error:
        leave(module, failed=True, msg=str(error), reason=error.reason)
    except faults() as error:
        leave(module, failed=True, msg=f"libvirt: {error}", reason="libvirt_error")
    except OSError as error:
        leave(module, failed=True, msg=f"the system said: {error}", reason="os_error")
