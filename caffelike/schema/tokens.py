"""Cuts protobuf text into tokens, and turns single tokens into values."""

import bisect
import re

from caffelike.errors import ParseError

_TOKEN = re.compile(
    r"""(?P<skip>[\s\ufeff\u00a0\u3000]+|\#[^\r\n]*)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<number>\.?[0-9](?:[eE][+-]|[\w.])*)
      | (?P<string>"(?:[^"\\\r\n]|\\.)*"|'(?:[^'\\\r\n]|\\.)*')
      | (?P<mark>[{}<>\[\]:;,-])""",
    re.VERBOSE | re.ASCII,
)
_LINE_END = re.compile(r"\r\n|\r|\n")
_INTEGER = re.compile(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*")
_FLOAT = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[fF]?")
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


class Source:
    """A text and where its lines begin; turns an offset into line and column (from 1)."""

    def __init__(self, text: str, filename: str):
        self.text, self.filename = text, filename
        self._starts: list[int] | None = None

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset."""
        if self._starts is None:
            self._starts = [0, *(match.end() for match in _LINE_END.finditer(self.text))]
        line = bisect.bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def error(self, message: str, offset: int) -> ParseError:
        """An error that stands at an offset."""
        return ParseError(message, self.filename, *self.position(offset))


def other_file(data: bytes) -> str:
    """What a file is that people mistake for a prototxt, and what to do; "" where it may be one."""
    head = data[:256]
    if head[:2] not in (b"\xff\xfe", b"\xfe\xff") and any(byte < 32 and byte not in b"\t\n\v\f\r" for byte in head):
        return "this is a binary file, not a definition (prototxt); `caffelike inspect` looks into it"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "this is a web page, not a definition (prototxt); download the file itself (on GitHub: Raw)"
    return ""


def decode(data: bytes) -> str:
    """Text of a file's bytes: UTF-8 with or without BOM, UTF-16 with one, Latin-1 in lines that are neither."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        lines = data.split(b"\n")
    return "\n".join(_decode_line(line) for line in lines)


def _decode_line(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def cut(source: Source) -> tuple[list[str], list[str], list[int]]:
    """The tokens of a text: their kinds (word, number, string, mark, end), texts and offsets.

    Raises ParseError at the first character that begins no token.
    """
    kinds, texts, offsets = [], [], []
    text, position = source.text, 0
    for match in _TOKEN.finditer(text):
        if match.start() != position:
            break
        position = match.end()
        if match.lastgroup != "skip":
            kinds.append(match.lastgroup)
            texts.append(match.group())
            offsets.append(match.start())
    if position != len(text):
        character = text[position]
        if character in "\"'":
            raise source.error(f"the string that begins with {character} has no end in its line", position)
        raise source.error(f"unexpected character {character!r}", position)
    kinds.append("end")
    texts.append("the end of the file")
    offsets.append(len(text))
    return kinds, texts, offsets  # type: ignore[return-value]


def integer(text: str) -> int | None:
    """Value of a decimal, octal (017) or hexadecimal (0x1F) number; None when it is none."""
    if not _INTEGER.fullmatch(text) or len(text) > 30:
        return None
    if text[:2] in ("0x", "0X"):
        return int(text, 16)
    return int(text, 8 if text[0] == "0" else 10)


def real(text: str) -> float | None:
    """Value of a number with or without fraction, exponent and f; None when it is none."""
    whole = integer(text)
    if whole is not None:
        return float(whole)
    return float(text.rstrip("fF")) if _FLOAT.fullmatch(text) else None


def string(texts: list[str]) -> bytes:
    """The bytes of adjacent string literals: joined, without quotes, escapes resolved."""
    return b"".join(_unescape(text[1:-1].encode("utf-8", "surrogatepass")) for text in texts)


def _unescape(data: bytes) -> bytes:
    return _ESCAPE.sub(_escape, data) if b"\\" in data else data


def _escape(match: re.Match) -> bytes:
    hexadecimal, octal, unicode, letter = match.groups()
    if hexadecimal:
        return bytes([int(hexadecimal, 16)])
    if octal:
        return bytes([int(octal, 8) & 0xFF])
    if unicode:
        return chr(int(unicode, 16)).encode("utf-8", "replace")
    return _LETTERS.get(letter, letter)
