#!/usr/bin/env python3
"""What the documents name exists: pages and headings, files, settings, metrics, log events, targets of make."""
import re
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import metrics_table  # noqa: E402

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "bench/README.md", ROOT / "kernels/README.md"])
# What they say of older releases may be gone.
LIVING = [page for page in PAGES if page.name != "CHANGELOG.md"]
FOLDERS = "src|include|kernels|tests|tools|scripts|config|deploy|docs|bench|examples|cmake"


def prose(page):
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)


def quoted(page):
    """What stands in backquotes, outside of blocks."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def blocks(page):
    """The lines of blocks of code."""
    return re.findall(r"^```\w*\n(.*?)^```$", page.read_text(), re.M | re.S)


def anchors(page):
    """The names that GitHub gives headings."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.M):
        name = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        copies = sum(1 for other in found if other == name or re.fullmatch(re.escape(name) + r"-\d+", other))
        found.add(f"{name}-{copies}" if copies else name)
    return found


def settings():
    return set(re.findall(r"^\| `([a-z_]+\.[a-z_.]+)`", (ROOT / "docs/settings.md").read_text(), re.M))


class Documents(unittest.TestCase):
    def complain(self, complaints):
        self.assertEqual(complaints, [], "\n".join(map(str, complaints)))

    def test_links_lead_somewhere(self):
        wrong, checked = [], 0
        for page in PAGES:
            for to in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
                if re.match(r"https?:|mailto:", to):
                    continue
                path, _, anchor = to.partition("#")
                target = (page.parent / path).resolve() if path else page
                checked += 1
                if not target.exists() or (anchor and anchor not in anchors(target)):
                    wrong.append((page.name, to))
        self.assertGreater(checked, 200)
        self.complain(wrong)

    def test_each_page_is_in_the_list_of_pages(self):
        listed = set(re.findall(r"\]\(([\w-]+\.md)\)", (ROOT / "docs/README.md").read_text()))
        self.assertEqual(listed, {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"})

    def test_files_that_are_named_exist(self):
        wrong, checked = [], 0
        for page in LIVING:
            for name in re.findall(rf"(?:^|[\s(])((?:{FOLDERS})/[\w./-]+)(?![\w./*{{<…-])", "\n".join(quoted(page))):
                name = name.rstrip("./")
                checked += 1
                if not ((ROOT / name).exists() or (page.parent / name).exists()):
                    wrong.append((page.name, name))
        self.assertGreater(checked, 80)
        self.complain(wrong)

    def test_settings_log_events_and_tables_that_are_named_exist(self):
        known = settings()
        self.assertGreater(len(known), 80)
        sections = {key.split(".")[0] for key in known}
        sources = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.cpp"))
        events = set(re.findall(r'"([a-z_0-9]+(?:\.[a-z_0-9]+)+)"', sources))
        modules = {event.split(".")[0] for event in events if event.count(".") == 1} - {"memseal", "file"}  # file.name: of an event's data
        made = "\n".join(path.read_text() for path in (ROOT / "config/migrations").glob("*.up.sql"))
        known |= set(re.findall(r"\b(app\.[a-z_]+)", made))
        wrong, checked = [], 0
        for page in LIVING:
            for text in quoted(page):
                name = re.match(r"([a-z][a-z_0-9]*\.[a-z][a-z_0-9.]*)(?=$|[:= ])", text)
                if not name or name[1].split(".")[0] not in sections | modules | {"app"}:
                    continue
                if re.search(r"\.(md|py|cpp|hpp|json|yaml|yml|sql|env|map|cfg|so|txt|log|conf|service|html|tar|v1)\b", name[1]):
                    continue
                checked += 1
                if name[1] not in known | events and not any(name[1].startswith(f"{key}.") for key in known):
                    wrong.append((page.name, name[1]))
        self.assertGreater(checked, 150)
        self.complain(wrong)

    def test_metrics_that_are_named_exist(self):
        known = set(metrics_table.all_metrics())
        ends = ("", "_bucket", "_sum", "_count")
        wrong, checked = [], 0
        for page in LIVING:
            for name in re.findall(r"\b(?:memseal|memory)_[a-z0-9_]+(?=[{`\s\[)])", page.read_text()):
                if not re.match(r"memseal_.*_(total|seconds|bytes|records)$", name):
                    continue
                checked += 1
                if not any(name.endswith(end) and name[:len(name) - len(end)] in known for end in ends):
                    wrong.append((page.name, name))
        self.assertGreater(checked, 100)
        self.complain(wrong)

    def test_targets_of_make_that_are_named_exist(self):
        known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
        wrong = [(page.name, name) for page in LIVING
                 for name in re.findall(r"(?m)^ *make ([a-z-]+)(?=[ `\n])",
                                         "\n".join([*quoted(page), *blocks(page)])) if name not in known]
        self.complain(wrong)


if __name__ == "__main__":
    unittest.main()
