#!/usr/bin/env python3
"""Records `ortc send` and `ortc recv` in two terminals, as a picture that plays.

    python3 cli/recording.py target/release/ortc cli/recording.svg

Both run for real, in pseudo-terminals; a line comes into the picture when it came into its
terminal, as it stood at the end.
"""

import html
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import time
import fcntl
import termios

COLUMNS, ROWS = 84, 40
CONTROL = re.compile(rb"\x1b\[([0-9;?]*)([A-Za-z])")


class Terminal:
    """So much of a terminal as progress bars need."""

    def __init__(self):
        self.lines = [[]]
        self.since = [0.0]
        self.row = self.column = 0

    def feed(self, data, now):
        at = 0
        text = data
        while at < len(text):
            control = CONTROL.match(text, at)
            if control:
                self.obey(control.group(1), control.group(2))
                at = control.end()
                continue
            if text[at] == 0x1B:
                at += 1
                continue
            if text[at] == 0x0D:
                self.column = 0
                at += 1
                continue
            if text[at] == 0x0A:
                self.move(self.row + 1, now)
                at += 1
                continue
            length = 1
            while at + length < len(text) and (text[at + length] & 0xC0) == 0x80:
                length += 1
            self.put(text[at : at + length].decode(errors="replace"), now)
            at += length

    def obey(self, number, what):
        count = int(number) if number.isdigit() else 1
        if what == b"A":
            self.row = max(0, self.row - count)
        elif what == b"B":
            self.row = min(len(self.lines) - 1, self.row + count)
        elif what == b"G":
            self.column = count - 1
        elif what == b"K":
            line = self.lines[self.row]
            self.lines[self.row] = [] if number == b"2" else line[: self.column]

    def move(self, row, now):
        self.row = row
        while len(self.lines) <= row:
            self.lines.append([])
            self.since.append(now)

    def put(self, letter, now):
        if self.column >= COLUMNS:
            self.move(self.row + 1, now)
            self.column = 0
        line = self.lines[self.row]
        if not "".join(line).strip():
            self.since[self.row] = now
        line += " " * (self.column + 1 - len(line))
        line[self.column] = letter
        self.column += 1

    def shown(self):
        lines = [("".join(line).rstrip(), since) for line, since in zip(self.lines, self.since)]
        while lines and not lines[-1][0]:
            lines.pop()
        return lines


class Shell:
    """A command in a terminal of its own."""

    def __init__(self, ortc, words, folder, begun):
        self.begun, self.terminal, self.raw = begun, Terminal(), b""
        self.type(b"$ ortc " + " ".join(words).encode() + b"\r\n")
        here, there = pty.openpty()
        fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environment = {**os.environ, "TERM": "xterm", "ORTC_CONFIG_FILE": "/no/such/file"}
        environment.pop("ORTC_SERVER", None)
        self.process = subprocess.Popen(
            [ortc, *words], cwd=folder, env=environment, stdin=there, stdout=there, stderr=there
        )
        os.close(there)
        self.file = here

    def type(self, data):
        self.terminal.feed(data, time.monotonic() - self.begun)

    def read(self, seconds):
        ready, _, _ = select.select([self.file], [], [], seconds)
        if not ready:
            return self.process.poll() is None
        try:
            data = os.read(self.file, 65536)
        except OSError:
            return False
        self.raw += data
        self.type(data)
        return bool(data)


def drawn(panes):
    size, width, gap = 15, COLUMNS * 8 + 32, 20
    height = max(len(lines) for _, lines in panes) * size + 52
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * width + gap}" height="{height}" '
        f'viewBox="0 0 {2 * width + gap} {height}" role="img" '
        'aria-label="A file is sent from one terminal and received in another">',
        "<style>text{font:13px ui-monospace,Menlo,Consolas,monospace;fill:#d8dee9;white-space:pre}"
        ".name{fill:#8892a6}.line{opacity:0;animation:come .01s linear forwards}"
        "@keyframes come{to{opacity:1}}"
        "@media (prefers-reduced-motion:reduce){.line{animation:none;opacity:1}}</style>",
    ]
    for number, (name, lines) in enumerate(panes):
        left = number * (width + gap)
        out.append(f'<rect x="{left}" width="{width}" height="{height}" rx="8" fill="#1b1f2a"/>')
        out.append(f'<text class="name" x="{left + 16}" y="22">{html.escape(name)}</text>')
        for row, (text, since) in enumerate(lines):
            style = f'style="animation-delay:{since:.2f}s"'
            place = f'x="{left + 16}" y="{46 + row * size}"'
            if text:
                out.append(f'<text class="line" {style} {place} xml:space="preserve">{html.escape(text)}</text>')
    return "\n".join([*out, "</svg>", ""])


def main():
    ortc, picture = os.path.abspath(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        one, other = (os.path.join(folder, name) for name in ("one", "other"))
        os.mkdir(one)
        os.mkdir(other)
        with open(os.path.join(one, "photo.jpg"), "wb") as photo:
            photo.write(os.urandom(38_200_000))
        begun = time.monotonic()
        words = ["send", "photo.jpg"]
        send = Shell(ortc, words, one, begun)
        code = None
        while not code:
            assert send.read(20), send.raw
            code = re.search(rb"ortc recv ([a-z]+-[a-z]+-[a-z]+)", send.raw)
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            send.read(0.1)
        recv = Shell(ortc, ["recv", code.group(1).decode()], other, begun)
        asked = False
        running = [send, recv]
        while running:
            running = [shell for shell in running if shell.read(0.05)]
            if not asked and b"[y/N]" in recv.raw:
                time.sleep(0.8)
                os.write(recv.file, b"y\n")
                asked = True
            assert time.monotonic() - begun < 120, (send.raw, recv.raw)
        for shell in (send, recv):
            assert shell.process.wait(20) == 0, shell.raw
        with open(os.path.join(one, "photo.jpg"), "rb") as a, open(os.path.join(other, "photo.jpg"), "rb") as b:
            assert a.read() == b.read()
    if len(sys.argv) > 3:
        print(send.raw)
    panes = [("one machine", send.terminal.shown()), ("another, in the same network", recv.terminal.shown())]
    with open(picture, "w", encoding="utf-8") as out:
        out.write(drawn(panes))
    for name, lines in panes:
        print(f"--- {name}")
        print("\n".join(text for text, _ in lines))


main()
