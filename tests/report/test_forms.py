"""A table as Markdown, LaTeX, CSV, HTML, and which of them a file's ending asks for; names that would break each."""

import csv
import io
import re
import shutil
import subprocess
import unicodedata

import pytest
from stored_runs import TABLE, a_sweep, config, finish

from aeexp.files import write_json, write_yaml
from aeexp.report import escape
from aeexp.report.report import Report
from aeexp.report.sweep import announce, form
from aeexp.runs.run import Run

TITLE = r"odd_% & # $ ~ ^ \ {x} <y> | ± — † é ß αΩΑ σ² 漢 −"
NAME = "=1+1|<b>*`x`[a](javascript:1)\x1b[31m\u202e\n\\end{tabular}\\input{/etc/passwd}%_$&"


@pytest.fixture
def sweep(tmp_path):
    return a_sweep(tmp_path)


def compiled(folder, latex):
    """Compiles a table as it is pasted into an article."""
    paper = ["\\documentclass{article}", "\\usepackage{booktabs}", "\\begin{document}", latex, "\\end{document}"]
    (folder / "paper.tex").write_text("\n".join(paper))
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "paper.pdf").read_bytes().startswith(b"%PDF")
    return done.stdout


def widths(latex):
    """How many columns each line of the tabulars has, as LaTeX counts them, and how many were declared."""
    for tabular in re.findall(r"\\begin\{tabular\}(.*?)\\end\{tabular\}", latex, re.S):
        columns, *lines = tabular.strip().splitlines()
        declared = len(re.findall("[lcr]", re.sub(r"@\{.*?\}", "", columns)))
        for line in (line for line in lines if "&" in line):
            cells = re.split(r"(?<!\\)&", line.partition(r" \\\\")[0])
            yield sum(int((re.search(r"multicolumn\{(\d+)\}", cell) or [0, 1])[1]) for cell in cells), declared


def odd(folder):
    published = [{**TABLE["published"][0], "source": 2}]
    announce(folder, {**TABLE, "title": TITLE, "notes": [TITLE], "sources": {2: TITLE}, "published": published}, [])
    return Report(folder)


def test_every_line_of_the_latex_has_the_declared_columns_and_n_stands_once_where_it_is_one(sweep):
    finish(sweep.parent, "vae", 10, 0, 0.5, **{"optimizer.lr": 0.1})
    for query in ({}, {"by": ["model"]}, {"by": ["bottleneck", "optimizer.lr"]}, {"by": ["model", "bottleneck"]}):
        latex = Report(sweep, **query).form("latex")
        assert {one == other for one, other in widths(latex)} == {True}, latex
    same = Report(sweep, where=["model=vae", "optimizer.lr=0.001"]).form("latex")
    assert "over $n = 3$ seeds" in same
    assert "(3)" not in same
    assert "($n$ seeds)" in Report(sweep).form("latex")


def test_the_columns_have_spanning_names_and_a_column_a_key(sweep):
    latex = Report(sweep, where=["model=vae"]).form("latex")
    assert r"\multicolumn{7}{c}{bottleneck} \\ \cmidrule(lr){2-8}" in latex
    assert r"\multicolumn{2}{c}{2} & \multicolumn{5}{c}{10} \\ \cmidrule(lr){2-3} \cmidrule(lr){4-8}" in latex
    by = Report(sweep, by=["model", "bottleneck"]).form("latex")
    assert "\nmodel & bottleneck & " in by


def test_special_characters_are_text_in_latex(sweep):
    latex = odd(sweep).form("latex")
    assert latex.index(r"\toprule") < latex.index(r"\midrule") < latex.index(r"\bottomrule")
    assert all(word in latex for word in (r"\_", r"\textasciitilde{}", r"\textasciicircum{}", r"$\alpha$", r"$\Omega$"))
    assert {one == other for one, other in widths(latex)} == {True}


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no LaTeX is installed")
def test_the_latex_compiles_as_it_is_pasted(sweep):
    compiled(sweep, odd(sweep).form("latex"))
    finish(sweep.parent, "vae", 10, 0, 0.5, **{"optimizer.lr": 0.1})
    assert "Overfull" not in compiled(sweep, Report(sweep, by=["model", "optimizer.lr"]).form("latex"))


def strange(folder):
    """Runs whose model, run and metric have a name that would break every form."""
    for seed in range(3):
        run = Run(folder / f"<i>=run{seed}\x1b[31m")
        given = {**config("runs", NAME, 2, seed), "table": None}
        write_yaml(run.path / "config.yaml", given)
        write_json(run.path / "status.json", {"state": "completed" if seed else "failed", "error": NAME})
        write_json(run.path / "results.json", {"protocols": [{"metrics": {NAME: 0.1 * seed, "p/a": 1.0}}] * (seed > 0)})
    return Report(folder)


def test_names_of_a_stranger_cannot_break_markdown_or_a_terminal(tmp_path):
    text = strange(tmp_path).form("markdown")
    assert not any(unicodedata.category(c) in ("Cc", "Cf") for c in text.replace("\n", ""))
    assert "<b>" not in text
    assert not re.search(r"(?<!\\)\]\(", text)  # no link
    header, *lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in [header, *lines]} == {3}


def test_names_of_a_stranger_cannot_break_csv(tmp_path):
    report = strange(tmp_path)
    for text in (report.form("csv"), report.files(pictures=False)["runs.csv"]):
        rows = list(csv.reader(io.StringIO(text)))
        assert {len(row) for row in rows} == {len(rows[0])}
        for cell in (cell for row in rows for cell in row):
            assert not cell.startswith(escape.FORMULA) or escape.NUMBER.fullmatch(cell)
    assert escape.csv(-0.5) == -0.5
    assert escape.csv("-1e-3") == "-1e-3"
    assert all(escape.from_csv(escape.csv(text)) == text for text in ("=x", "'=x", "-x", "+", "@a", "plain", ""))


def test_names_of_a_stranger_cannot_break_html(tmp_path):
    html = form(strange(tmp_path), "html", tmp_path)
    assert "<b>*" not in html
    assert 'href="javascript' not in html
    assert set(re.findall(r'href="(.)', html)) == {"."}
    assert html.count("<script") == 1


def test_names_of_a_stranger_cannot_break_latex(tmp_path):
    latex = strange(tmp_path).form("latex")
    assert "\\input{" not in latex
    assert latex.count("\\end{tabular}") == latex.count("\\begin{tabular}") == 2
    assert {one == other for one, other in widths(latex)} == {True}
    if shutil.which("pdflatex"):
        (tmp_path / "latex").mkdir()
        compiled(tmp_path / "latex", latex)


@pytest.mark.parametrize(("ending", "sign"), [("md", "| vae"), ("csv", "probe/accuracy mean"), ("tex", "\\toprule"),
                                              ("html", "<!doctype html>")])  # fmt: skip
def test_the_ending_of_the_output_chooses_its_form(sweep, tmp_path, program, ending, sign):
    file = tmp_path / f"out.{ending}"
    done = program("aeexp.report", str(sweep), "--output", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sign in file.read_text()


def test_another_ending_is_refused_in_a_sentence(sweep, tmp_path, program):
    done = program("aeexp.report", str(sweep), "--output", str(tmp_path / "out.docx"))
    assert done.returncode == 1
    assert "choose a name that ends with .md, .csv, .tex, .html" in done.stderr
