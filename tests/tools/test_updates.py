"""What keeps others' software up to date sees all of it (.github/renovate.json)."""

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
SETTINGS: dict[str, Any] = json.loads((ROOT / ".github/renovate.json").read_text())
PATTERNS: dict[str, str] = {
    "bundler": r"(^|/)Gemfile$",
    "cargo": r"(^|/)Cargo\.toml$",
    "devcontainer": r"^\.devcontainer/devcontainer\.json$",
    "docker-compose": r"(^|/)(docker-)?compose[^/]*\.ya?ml$",
    "dockerfile": r"(^|/)([Dd]ocker|[Cc]ontainer)file$",
    "github-actions": r"^\.github/(workflows|actions)/.+\.ya?ml$",
    "gomod": r"(^|/)go\.mod$",
    "helmv3": r"(^|/)Chart\.yaml$",
    "npm": r"(^|/)package\.json$",
    "pep621": r"(^|/)pyproject\.toml$",
    "pip_requirements": r"(^|/)[\w-]*requirements([-.]\w+)?\.(txt|pip)$",
    "terraform": r"\.tf$",
}
"""Renovate's managers, and which files they look at: those in use here, and what may come."""
PINNED = re.compile(r"--hash=sha256:[0-9a-f]{64}|@sha256:[0-9a-f]{64}")
NOT_OURS = frozenset({".git", ".shop", ".venv", "__pycache__", "node_modules"})


def files() -> Iterator[str]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(set(folders) - NOT_OURS)
        yield from (str((Path(folder) / name).relative_to(ROOT)) for name in names)


@cache
def seen() -> dict[str, list[str]]:
    """The patterns of files that each enabled manager looks at."""
    found = {name: [PATTERNS[name]] for name in SETTINGS["enabledManagers"] if name != "custom.regex"}
    for name in found:
        found[name] += [each.strip("/") for each in SETTINGS.get(name, {}).get("managerFilePatterns", [])]
    custom = [each for manager in SETTINGS["customManagers"] for each in manager["managerFilePatterns"]]
    return found | {"custom.regex": [each.strip("/") for each in custom]}


def is_seen(file: str) -> bool:
    return any(re.search(pattern, file) for patterns in seen().values() for pattern in patterns)


def test_every_file_that_declares_what_others_made_is_looked_at() -> None:
    declaring = [file for file in files() if any(re.search(pattern, file) for pattern in PATTERNS.values())]

    assert [file for file in declaring if not is_seen(file)] == []
    for manager, patterns in seen().items():
        assert any(re.search(pattern, file) for pattern in patterns for file in files()), manager
    assert SETTINGS["ignorePaths"] == [], "config:recommended would leave out what lies in a folder `tests`"


def test_every_file_that_pins_something_by_its_hash_is_looked_at() -> None:
    pinning = []
    for file in files():
        if file.startswith(("infra/", "plans/", "services/", "shop/", "stacks/", "tools/")) or file.count("/") == 0:
            text = (ROOT / file).read_text(encoding="utf-8", errors="replace")
            pinning += [file] if PINNED.search(text) else []

    assert {"tools/bootstrap.txt", "infra/bootstrap/requirements.txt", "infra/kubernetes/collector.py"} <= set(pinning)
    assert [file for file in pinning if not is_seen(file)] == []


def test_the_collector_is_found_where_it_stands() -> None:
    [manager] = SETTINGS["customManagers"]
    [pattern] = manager["matchStrings"]
    text = (ROOT / "infra/kubernetes/collector.py").read_text()

    found = re.search(pattern.replace("(?<", "(?P<"), text)

    assert found
    assert found["depName"] == "public.ecr.aws/aws-observability/aws-otel-collector"
    assert re.fullmatch(r"v\d+\.\d+\.\d+", found["currentValue"])
    assert manager["datasourceTemplate"] == "docker"


def test_actions_stay_pinned_by_their_commit_and_bases_are_renewed_together() -> None:
    assert "helpers:pinGitHubActionDigestsToSemver" in SETTINGS["extends"]
    together = {name for rule in SETTINGS["packageRules"] if rule.get("groupName") for name in rule["matchManagers"]}
    assert {"dockerfile", "gomod"} <= together
    assert SETTINGS["lockFileMaintenance"]["enabled"] is True


def test_hooks_of_git_come_from_nowhere_else() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())

    assert {each["repo"] for each in hooks["repos"]} == {"local"}
