"""Generate the notebooks: `src/NAME.py`, in jupytext's percent format, becomes `NAME.ipynb` with its outputs.

python notebooks/build.py [NAME ...]     convert and execute, all of them by default
python notebooks/build.py --check        only compare the cells of the notebooks with their sources; exits 1 where
                                         they differ
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbclient
import nbformat

HERE = Path(__file__).resolve().parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
TIMEOUT = 600  # seconds for one cell
IMAGE_BYTES = 100_000 * 4 // 3  # of a picture in base64


class BuildError(Exception):
    """A notebook that must not be written."""


def convert(source: Path) -> nbformat.NotebookNode:
    """Turn a source into a notebook without outputs, the same at every call."""
    book = jupytext.read(source, fmt="py:percent")
    cells = book.cells
    for number, cell in enumerate(cells):
        cell["id"], cell["metadata"] = f"cell-{number:02}", {}  # jupytext draws the ids at random
    return nbformat.v4.new_notebook(cells=cells, metadata=METADATA)


def execute(book: nbformat.NotebookNode, folder: Path) -> float:
    """Run a notebook in place, with `folder` as its working directory, and return the seconds it took."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    start = time.perf_counter()
    options = {"timeout": TIMEOUT, "record_timing": False, "coalesce_streams": True, "store_widget_state": False}
    nbclient.NotebookClient(book, resources={"metadata": {"path": str(folder)}}, **options).execute()
    return time.perf_counter() - start


def tidy(book: nbformat.NotebookNode, *private: Path) -> list[str]:
    """Take what was written to stderr out of the outputs, and return it.

    Args:
        book: an executed notebook; changed in place.
        private: paths that outputs must not show.

    Raises:
        BuildError: an output shows a private path, or a picture is too large.
    """
    noise = []
    for cell in (cell for cell in book.cells if cell.cell_type == "code"):
        noise += [output.text for output in cell.outputs if output.get("name") == "stderr"]
        cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        shown = nbformat.v4.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=cell.outputs)]))
        if found := [path for path in private if path.name and str(path) in shown]:  # a home of "/" hides nothing
            raise BuildError(f"an output of {cell.id} shows the path {found[0]}; use a relative path")
        for output in cell.outputs:
            if len(output.get("data", {}).get("image/png", "")) > IMAGE_BYTES:
                raise BuildError(f"a picture of {cell.id} is larger than 100 kB; draw it smaller")
    return noise


def differences(source: Path, notebook: Path) -> list[str]:
    """Compare the cells of a notebook with its source; outputs are not looked at."""
    if not notebook.is_file():
        return [f"{notebook.name} is missing"]
    wanted = [(cell.cell_type, cell.source) for cell in convert(source).cells]
    book = nbformat.read(notebook, as_version=4)
    found = [(cell.cell_type, cell.source) for cell in book.cells]
    told = [f"{notebook.name} has {len(found)} cells, {source.name} has {len(wanted)}"] * (len(found) != len(wanted))
    pairs = enumerate(zip(wanted, found, strict=False))
    return told + [f"cell {number} of {notebook.name} differs" for number, (ours, theirs) in pairs if ours != theirs]


def build(source: Path, notebook: Path) -> None:
    """Convert and execute a source, and write the notebook."""
    book = convert(source)
    with tempfile.TemporaryDirectory(prefix="notebook-") as folder:
        seconds = execute(book, Path(folder))
        noise = tidy(book, Path(folder), HERE.parent, Path.home())
    sys.stderr.writelines(noise)
    nbformat.write(book, notebook)
    print(f"{notebook.name}: {seconds:.0f} s, {notebook.stat().st_size / 1000:.0f} kB")


def main() -> int:
    """Build or check, as asked, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="a notebook, without its ending; all by default")
    parser.add_argument("--check", action="store_true", help="compare the notebooks with their sources, run nothing")
    options = parser.parse_args()
    known = {source.stem: source for source in sorted((HERE / "src").glob("*.py"))}
    if strange := [name for name in options.names if name not in known]:
        parser.error(f"no source {strange[0]}; there are: {', '.join(known)}")
    pairs = [(known[name], HERE / f"{name}.ipynb") for name in options.names or known]
    if not options.check:
        for source, notebook in pairs:
            build(source, notebook)
        return 0
    told = [line for source, notebook in pairs for line in differences(source, notebook)]
    print("\n".join([*told, "run `make notebooks`"]) if told else "the notebooks match their sources")
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main())
