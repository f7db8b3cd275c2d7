"""Runs the parts of the demo one after another; one that cannot run says what it lacks, and the others do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from rich.console import Console

from demo import places
from demo.digits import answers, confusion, learn_digits, name_digits
from demo.drawings import draw_examples
from demo.sentences import SENTENCES, sentence_similarity
from netdsl.diagnostics import NetError

NEXT = """
Try next, after `. .venv/bin/activate`:
  netrun show examples/resnet50.net -o resnet50.html                     a network to open in a browser
  netrun run examples/lenet5.net --input examples/data/digit-7.png --top 3
  netrun init digits                                                     a network of your own"""


def show_digits(console: Console, epochs: int | None = None) -> None:
    """Train LeNet-5, and show what it makes of digits it has not seen. Raises `NetError`."""
    console.rule("LeNet-5 learns handwritten digits")
    learnt = learn_digits(console, epochs)
    hits = learnt.confusion.trace()
    console.print(
        f"\n{hits} of {learnt.rows} digits that were held out are named rightly: {learnt.accuracy:.1%}, "
        f"after {learnt.seconds:.0f} s of training.\n"
    )
    console.print(confusion(console, learnt.confusion))
    console.print("\nSome of the digits held out, read from examples/data/digit-0.png to digit-9.png:\n")
    files = [places.data(f"digit-{n}.png") for n in range(10)]
    console.print(answers(console, name_digits(learnt.network, files)))


def show_sentences(console: Console, sentences: Sequence[str]) -> None:
    """Compare sentences. Raises `NetError`."""
    console.print(sentence_similarity(sentences))


def show_drawings(console: Console) -> None:
    """Draw networks into a folder. Raises `NetError` and `OSError`."""
    for path in draw_examples():
        console.print(f"drawn: {path}", markup=False)


def main(sentences: Sequence[str] = SENTENCES, epochs: int | None = None) -> int:
    """Run the demo on these sentences; 0 where all went well, 1 where something is missing."""
    console = Console(highlight=False)
    parts: list[Callable[[], None]] = [
        lambda: show_digits(console, epochs),
        lambda: show_sentences(console, sentences),
        lambda: show_drawings(console),
    ]
    code = max([_attempt(part) for part in parts])
    console.print(NEXT, markup=False)
    return code


def _attempt(part: Callable[[], None]) -> int:
    try:
        part()
    except (NetError, OSError) as wrong:
        print(wrong, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or SENTENCES))
