"""Everything that a deployment of an application consists of: live templates, stub bundles and packed local files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property

from ruamel.yaml.comments import CommentedMap

from livetui.config import Settings
from livetui.stack import local_sam
from livetui.stack.artifacts import Artifact, package, package_cdk
from livetui.stack.bundle import StubBundle
from livetui.stack.document import Document, long_form
from livetui.stack.functions import Function
from livetui.stack.live import Stub, Wiring, make_live
from livetui.stack.template import Application, Template
from stub_runtime.topics import Topics

DIGEST_OUTPUT = "LivetuiTemplate"
"""The stack output that names what is deployed. A stack tag would spread to every resource at each change."""


@dataclass
class Assembly:
    """The pieces, collected while templates are transformed from the innermost to the root."""

    document: Document | None = None
    """The root template, transformed."""
    digest: str = ""
    """Names this deployment: equal when nothing that CloudFormation would see has changed."""
    templates: dict[str, str] = field(default_factory=dict)
    """S3 key → text of a nested template."""
    functions: dict[str, Function] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    bundles: dict[str, StubBundle] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    stubs: dict[str, Stub] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    """Local files that the template names and that are not there; only when that is allowed."""

    @cached_property
    def body(self) -> str:
        """The text that CloudFormation gets; written out only when it is needed (a second per 100 functions)."""
        return self.document.text() if self.document else ""


def assemble(application: Application, wiring: Wiring, s3_address: str, local: bool, strict: bool = True) -> Assembly:
    """Transform and pack an application; no call leaves this machine.

    `s3_address` is what the address of a nested template begins with. With `strict`, a local path that does not
    exist raises `UsageError`; else it is noted in `missing`.
    """
    assembly = Assembly()

    def bundle(runtime: str, architecture: str) -> str:
        stub = StubBundle(runtime, architecture, local)
        assembly.bundles[stub.key] = stub
        return stub.key

    place = Wiring(wiring.topics, wiring.verify_key, wiring.host, wiring.region, wiring.bucket, bundle,
                   wiring.dial_host, wiring.port, wiring.offline, wiring.boundary)
    root = _transform(application.root, place, s3_address, strict, assembly, local)
    state = json.dumps([long_form(root.root), sorted(application.parameters.items())], default=str)
    assembly.digest = hashlib.sha256(state.encode()).hexdigest()[:32]
    if root.root.get("Outputs") is None:
        root.root["Outputs"] = CommentedMap()
    root.root["Outputs"][DIGEST_OUTPUT] = {"Description": "What livetui deployed last", "Value": assembly.digest}
    assembly.document = root
    return assembly


def _transform(template: Template, wiring: Wiring, s3_address: str, strict: bool, assembly: Assembly,
               local: bool) -> Document:
    nested: dict[str, str] = {}
    for logical_id, child in template.children.items():
        document = _transform(child, wiring, s3_address, strict, assembly, local)
        text = (json.dumps(local_sam.expand(long_form(document.root), wiring.region)) if local and child.is_sam
                else document.text())
        key = template_key(wiring.topics, text)
        assembly.templates[key] = text
        nested[logical_id] = f"{s3_address}/{wiring.bucket}/{key}"
    live = make_live(template, wiring)
    prefix = f"artifacts/{wiring.topics.app}/{wiring.topics.stage}/"
    for artifact in package(template, live.document.root, wiring.bucket, prefix,
                            on_template=nested.__getitem__, missing=None if strict else assembly.missing):
        assembly.artifacts[artifact.key] = artifact
    if template.assets is not None:
        for artifact in package_cdk(live.document.root, template.assets, wiring.bucket, prefix):
            assembly.artifacts[artifact.key] = artifact
    assembly.copies.update(live.copies)
    assembly.stubs.update(live.stubs)
    assembly.functions.update({function.id: function for function in live.functions.values()})
    return live.document


def template_key(topics: Topics, text: str) -> str:
    """The S3 key of a template."""
    return f"templates/{topics.app}/{topics.stage}/{hashlib.sha256(text.encode()).hexdigest()[:40]}.template"


def synth(application: Application, settings: Settings) -> str:
    """The live template as it would be deployed, without any AWS call.

    What only the account tells is a stand-in: the bucket `livetui-bucket`, the stage's verify key, the IoT endpoint.
    """
    region = settings.region or "region"
    wiring = Wiring(Topics(settings.app, settings.stage), "verify-key-of-the-stage",
                    f"endpoint-ats.iot.{region}.amazonaws.com", region, "livetui-bucket", lambda *_: "",
                    offline=lambda name: settings.for_function(name).offline or settings.offline,
                    boundary=settings.permissions_boundary)
    return assemble(application, wiring, f"https://s3.{region}.amazonaws.com", settings.local, strict=False).body
