"""Functions that cannot wait for a console, since CloudFormation and CloudFront call them on their own terms.

Who calls and who is called may stand in different templates of one application: what these hand to one another by
parameters, outputs, exports, SSM parameters and fixed names is followed.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from livetui.stack.intrinsics import Resolver, Unknown, references
from livetui.stack.queues import names_of, outputs_of

if TYPE_CHECKING:
    from livetui.stack.template import Template

Place = tuple[str, str]
"""A resource of the application: its template's prefix and its logical id."""
_SSM = re.compile(r"\{\{resolve:ssm:([^:}]+)")
_ARN = re.compile(r":function:([\w-]+)")
_TOPIC = re.compile(r":sns:[\w-]+:\w+:([\w-]+)")
_FUNCTIONS = ("AWS::Lambda::Function", "AWS::Serverless::Function")


def leave_alone(root: Template) -> Template:
    """The same application, with the functions that are called so left as they are."""
    links = _Links(root)
    reasons: dict[Place, str] = {}
    for template in links.templates:
        for resource in template.resources.values():
            kind = str(resource.get("Type")) if isinstance(resource, Mapping) else ""
            properties = (resource.get("Properties") or {}) if kind else {}
            if kind.startswith("Custom::") or kind == "AWS::CloudFormation::CustomResource":
                reason = "it answers CloudFormation while stacks are deployed"
                found = links.called_by(links.with_subscribed(links.behind(template, properties.get("ServiceToken"))))
            elif kind == "AWS::CloudFormation::Macro":
                reason = "it is a template macro, called while stacks are deployed"
                found = links.behind(template, properties.get("FunctionName"))
            elif kind == "AWS::CloudFront::Distribution":
                reason = "Lambda@Edge runs copies in other regions"
                found = links.behind(template, _associations(properties))
            else:
                continue
            reasons.update((place, reason) for place in found if place not in reasons)
    return _marked(root, reasons) if reasons else root


class _Links:
    """What the templates of one application hand to one another."""

    def __init__(self, root: Template) -> None:
        self.templates = list(root.walk())
        self._by_prefix = {template.prefix: template for template in self.templates}
        self._parents = {child.prefix: (template, logical_id) for template in self.templates
                         for logical_id, child in template.children.items()}
        self._resolvers = {template.prefix: _with_words(template) for template in self.templates}

    def behind(self, template: Template, node: Any) -> set[Place]:
        """The resources that `node`, written in `template`, stands for."""
        found: set[Place] = set()
        seen: set[tuple[str, str]] = set()
        work = [(template, node)]
        while work:
            template, node = work.pop()
            if (mark := (template.prefix, repr(node))) in seen:
                continue
            seen.add(mark)
            for name in references(node):
                if name in template.children:
                    child = template.children[name]
                    work += [(child, self._output(child, output)) for output in outputs_of(name, node)]
                elif name in template.resolver.parameters:
                    work += self._given(template, name)
                else:
                    found |= {(template.prefix, function.logical_id) for function in template.functions.values()
                              if name in names_of(template, function)}
                    found.add((template.prefix, name))
                    work += self._held(template, name)
            texts = {*_texts(node), *_texts(self._resolvers[template.prefix].resolve(node))}
            work += [item for text in texts for item in self._named(text)]
            work += [item for export in _imports(node) for item in self._exported(template.resolver.resolve(export))]
        return found

    def called_by(self, places: set[Place]) -> set[Place]:
        """`places` and what they name in their variables: CDK's providers call the user's code so."""
        reached: set[Place] = set()
        while places - reached:
            place = (places - reached).pop()
            reached.add(place)
            template = self._by_prefix[place[0]]
            resource = template.resources.get(place[1])
            properties = (resource.get("Properties") or {}) if isinstance(resource, Mapping) else {}
            places = places | self.behind(template, properties.get("Environment"))
        return reached

    def with_subscribed(self, places: set[Place]) -> set[Place]:
        """`places` and what is subscribed to the topics among them."""
        found = set(places)
        for template in self.templates:
            for logical_id, resource in template.resources.items():
                kind = resource.get("Type") if isinstance(resource, Mapping) else None
                properties = (resource.get("Properties") or {}) if isinstance(resource, Mapping) else {}
                if kind == "AWS::SNS::Topic" and (template.prefix, logical_id) in places:
                    found |= self.behind(template, properties.get("Subscription"))
                elif kind == "AWS::SNS::Subscription" and self.behind(template, properties.get("TopicArn")) & places:
                    found |= self.behind(template, properties.get("Endpoint"))
                elif kind == "AWS::Serverless::Function" and any(
                        self.behind(template, topic) & places for topic in _topics(properties)):
                    found.add((template.prefix, logical_id))
        return found

    @staticmethod
    def _output(template: Template, name: str) -> Any:
        output = (template.long.get("Outputs") or {}).get(name)
        return output.get("Value") if isinstance(output, Mapping) else None

    def _given(self, template: Template, parameter: str) -> Iterator[tuple[Template, Any]]:
        """What a parameter stands for: what the template above passes, else its own value or SSM's."""
        if template.prefix in self._parents:
            parent, logical_id = self._parents[template.prefix]
            passed = (parent.resources[logical_id].get("Properties") or {}).get("Parameters") or {}
            if isinstance(passed, Mapping) and parameter in passed:
                yield parent, passed[parameter]
                return
        declared = (template.long.get("Parameters") or {}).get(parameter) or {}
        value = template.resolver.parameters[parameter]
        if str(declared.get("Type", "")).startswith("AWS::SSM::Parameter::Value"):
            yield from self._named("{{resolve:ssm:" + str(declared.get("Default")))
        elif isinstance(value, str):
            yield from self._named(value if ":function:" in value else f":function:{value}")

    @staticmethod
    def _held(template: Template, name: str) -> Iterator[tuple[Template, Any]]:
        """What a resource hands on: a version its function, an SSM parameter its value."""
        resource = template.resources.get(name)
        kind = resource.get("Type") if isinstance(resource, Mapping) else None
        handed = {"AWS::Lambda::Alias": "FunctionName", "AWS::Lambda::Version": "FunctionName",
                  "AWS::SSM::Parameter": "Value"}.get(str(kind))
        if handed is not None and isinstance(resource, Mapping):
            yield template, (resource.get("Properties") or {}).get(handed)

    def _named(self, text: str) -> Iterator[tuple[Template, Any]]:
        """The resources of the application whose name a text has in it."""
        for pattern, kinds, name in ((_ARN, _FUNCTIONS, "FunctionName"), (_SSM, ("AWS::SSM::Parameter",), "Name"),
                                     (_TOPIC, ("AWS::SNS::Topic",), "TopicName")):
            wanted = set(pattern.findall(text))
            for template in self.templates if wanted else ():
                for logical_id, resource in template.resources.items():
                    if not isinstance(resource, Mapping) or resource.get("Type") not in kinds:
                        continue
                    node = (resource.get("Properties") or {}).get(name)
                    if any(resolver.resolve(node) in wanted
                           for resolver in (template.resolver, self._resolvers[template.prefix])):
                        yield template, {"Ref": logical_id}

    def _exported(self, name: Any) -> Iterator[tuple[Template, Any]]:
        for template in self.templates if isinstance(name, str) else ():
            for output in (template.long.get("Outputs") or {}).values():
                export = output.get("Export") if isinstance(output, Mapping) else None
                if isinstance(export, Mapping) and template.resolver.resolve(export.get("Name")) == name:
                    yield template, output.get("Value")


def _with_words(template: Template) -> Resolver:
    """A resolver in which a word stands for each parameter and account fact that only AWS knows, the same everywhere
    but for the stack's name and the parameters, which are the template's own."""
    resolver = copy.copy(template.resolver)
    resolver.pseudo = {name: name.replace("::", "_") + (f"_{template.prefix}" if "Stack" in name else "")
                       if isinstance(value, Unknown) else value for name, value in resolver.pseudo.items()}
    resolver.parameters = {name: f"Parameter_{template.prefix}_{name}" if isinstance(value, Unknown) else value
                           for name, value in resolver.parameters.items()}
    return resolver


def _topics(function: Mapping[str, Any]) -> Iterator[Any]:
    """The topics that a function of SAM is subscribed to."""
    events = function.get("Events")
    for event in events.values() if isinstance(events, Mapping) else ():
        if isinstance(event, Mapping) and event.get("Type") == "SNS":
            yield (event.get("Properties") or {}).get("Topic")


def _marked(template: Template, reasons: Mapping[Place, str]) -> Template:
    functions = {name: function.not_live(reasons[template.prefix, name])
                 if function.live and (template.prefix, name) in reasons else function
                 for name, function in template.functions.items()}
    return replace(template, functions=functions,
                   children={name: _marked(child, reasons) for name, child in template.children.items()})


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    for item in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from _texts(item)


def _imports(node: Any) -> Iterator[Any]:
    if isinstance(node, Mapping) and "Fn::ImportValue" in node:
        yield node["Fn::ImportValue"]
    for item in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from _imports(item)


def _associations(node: Any) -> list[Any]:
    """All `LambdaFunctionAssociations` of a distribution."""
    if isinstance(node, list):
        return [found for item in node for found in _associations(item)]
    if not isinstance(node, Mapping):
        return []
    return [value if key == "LambdaFunctionAssociations" else _associations(value) for key, value in node.items()]
