"""What Prometheus would say of a file of rules, as far as it can be said without Prometheus.

Its checker is not on this machine: this knows the part of the language that our rules use, and
takes anything else for a fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

Labels = Mapping[str, Set[str]]
"""The labels of each metric that is exported, by the metric's name."""

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
DURATION = re.compile(r"(?=\d)(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?")
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[a-zA-Z_:][\w:]*)|(?P<number>\d+(?:\.\d+)?)|(?P<text>\"[^\"]*\")"
    r"|(?P<sign>[=!<>]=|=~|!~|[-+*/%^<>(){},=]))"
)
FUNCTIONS = {"absent", "max", "min", "sum", "count"}
WORDS = {"and", "or", "unless"}
COMPARED = {"==", "!=", "<", ">", "<=", ">="}
RULE = {"alert", "expr", "for", "labels", "annotations"}


def faults(rules: Mapping[str, Any], exported: Labels) -> list[str]:
    """Say what is wrong in a file of rules, one line each."""
    found = [*_unknown(rules, {"groups"}, "file")]
    names = [rule.get("alert") for group in rules["groups"] for rule in group["rules"]]
    found += [f"{name}: stands twice" for name in sorted({n for n in names if names.count(n) > 1})]
    for group in rules["groups"]:
        found += _unknown(group, {"name", "rules"}, "group")
        for rule in group["rules"]:
            found += [f"{rule.get('alert')}: {fault}" for fault in _of_rule(rule, exported)]
    return found


def _unknown(value: Mapping[str, Any], known: Set[str], where: str) -> Iterator[str]:
    yield from (f"{where}: unknown key {key}" for key in value if key not in known)


def _of_rule(rule: Mapping[str, Any], exported: Labels) -> Iterator[str]:
    yield from _unknown(rule, RULE, "rule")
    if not NAME.fullmatch(str(rule.get("alert"))):
        yield "is no name of an alarm"
    if "for" in rule and not DURATION.fullmatch(str(rule["for"])):
        yield f"for: {rule['for']!r} is no duration"
    yield from (f"label {key}" for key in rule.get("labels", {}) if not LABEL.fullmatch(key))
    metrics = yield from _of_expression(str(rule.get("expr")), exported)
    had = set.intersection(*(set(exported[m]) for m in metrics)) if metrics else set()
    for text in (*rule.get("labels", {}).values(), *rule.get("annotations", {}).values()):
        left = re.sub(r"\{\{ \$(labels\.\w+|value) \}\}", "", text)
        if "{{" in left or "}}" in left:
            yield f"template in {text!r}"
        asked = set(re.findall(r"\$labels\.(\w+)", text))
        yield from (f"$labels.{label}: its metrics have none" for label in sorted(asked - had))


def _of_expression(text: str, exported: Labels) -> Iterator[str]:
    """Say what is wrong in an expression; return the metrics that it asks for."""
    tokens, at = [], 0
    while at < len(text.rstrip()):
        met = _TOKEN.match(text, at)
        if met is None:
            yield f"expr: {text[at:]!r} is not understood"
            return set()
        tokens.append((str(met.lastgroup), met[0].strip()))
        at = met.end()
    yield from _unbalanced([word for kind, word in tokens if kind == "sign"])
    if not COMPARED & {word for _, word in tokens} and ("name", "absent") not in tokens:
        yield "expr: compares with nothing: it would always be an alarm"
    return (yield from _of_names(tokens, exported))


def _unbalanced(signs: list[str]) -> Iterator[str]:
    open_ones = []
    for sign in signs:
        if sign in "({":
            open_ones.append(sign)
        elif sign in ")}" and (not open_ones or open_ones.pop() + sign not in ("()", "{}")):
            yield f"expr: {sign} closes nothing"
    yield from (f"expr: {sign} is left open" for sign in open_ones)


def _of_names(tokens: list[tuple[str, str]], exported: Labels) -> Iterator[str]:
    metrics: set[str] = set()
    inside, last = False, ""
    for (kind, word), (_, after) in zip(tokens, [*tokens[1:], ("", "")], strict=True):
        inside = word == "{" or (inside and word != "}")
        if kind != "name" or word in WORDS:
            continue
        if inside:
            if word not in exported.get(last, set()):
                yield f"expr: {last} has no label {word}"
        elif after == "(":
            if word not in FUNCTIONS:
                yield f"expr: unknown function {word}"
        elif word not in exported:
            yield f"expr: {word} is not exported"
        else:
            metrics.add(word)
            last = word
    return metrics
