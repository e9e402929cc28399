"""Images and archives for the tests: PNGs by zlib, JPEGs through tests/harness/make_jpeg."""

import io
import os
import random
import struct
import subprocess
import tarfile
import zipfile
import zlib


def png(pixels, height, width, channels=1) -> bytes:
    """A PNG file of 8-bit grey or RGB pixels."""
    def chunk(kind, content):
        return (struct.pack(">I", len(content)) + kind + content
                + struct.pack(">I", zlib.crc32(kind + content)))
    line = width * channels
    raw = b"".join(b"\0" + pixels[y * line:(y + 1) * line] for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw, 3))
            + chunk(b"IEND", b""))


def _exif(orientation) -> bytes:
    """An Exif block that says only how an image is to be turned."""
    return (b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0))


def lying(pixels, height, width, channels=1):
    """The pixels as a camera held upright stores them (a quarter turn to the left), their height and width."""
    at = [(y * width + x) * channels for x in reversed(range(width)) for y in range(height)]
    return b"".join(pixels[i:i + channels] for i in at), width, height


def png_lying(pixels, height, width, channels=1) -> bytes:
    """A PNG that lies on its side and says so."""
    made, chunk = png(*lying(pixels, height, width, channels), channels), b"eXIf" + _exif(6)
    return (made[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + made[33:])


def jpeg_lying(content) -> bytes:
    """A JPEG, made of lying pixels, that says so."""
    segment = b"Exif\0\0" + _exif(6)
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + content[2:]


def png_head(width, height) -> bytes:
    """A PNG that claims a size and has next to no pixels."""
    def chunk(kind, content):
        return (struct.pack(">I", len(content)) + kind + content
                + struct.pack(">I", zlib.crc32(kind + content)))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000)))
            + chunk(b"IEND", b""))


def jpegs(images, quality=85, progressive=False):
    """JPEG files of (pixels, height, width, channels), by the program that `make check` builds."""
    program = os.path.join(os.environ["ATTUNE_BUILD"], "tests", "harness", "make_jpeg")
    request = b"".join(struct.pack("<III", width, height, channels) + pixels
                       for pixels, height, width, channels in images)
    output = subprocess.run([program, str(quality), str(int(progressive))], input=request,
                            stdout=subprocess.PIPE, check=True).stdout
    files, at = [], 0
    while at < len(output):
        length, = struct.unpack_from("<I", output, at)
        files.append(output[at + 4:at + 4 + length])
        at += 4 + length
    return files


SHAPES = ("bar", "cross", "frame")


def _rows(marks, back, front, rng):
    """Five noisy lines of the pixels that are marked."""
    plain = b"".join(front if mark else back for mark in marks)
    return [bytes(min(255, value + rng.randint(0, 24)) for value in plain) for _ in range(5)]


def shape(kind, height, width, channels, rng):
    """Pixels of one of three kinds of picture: upright bars, a cross, a frame; noisy, any size, any two
    colours that differ."""
    back = bytes(rng.randint(0, 90) for _ in range(channels))
    front = bytes(rng.randint(150, 230) for _ in range(channels))
    across = [(x + 0.5) / width for x in range(width)]
    full = _rows([True] * width, back, front, rng)
    if kind == 0:
        part = _rows([int(u * 6) % 2 == 0 for u in across], back, front, rng)
    elif kind == 1:
        part = _rows([abs(u - 0.5) < 0.14 for u in across], back, front, rng)
    else:
        part = _rows([min(u, 1 - u) < 0.2 for u in across], back, front, rng)
    lines = []
    for y in range(height):
        v = (y + 0.5) / height
        solid = (kind == 1 and abs(v - 0.5) < 0.14) or (kind == 2 and min(v, 1 - v) < 0.2)
        lines.append((full if solid else part)[rng.randrange(5)])
    return b"".join(lines)


def shapes(count, seed=1, sizes=(12, 30), channels=(1, 3)):
    """[(kind, pixels, height, width, channels)], the kinds in turn."""
    rng = random.Random(seed)
    made = []
    for i in range(count):
        height, width = rng.randint(*sizes), rng.randint(*sizes)
        depth = channels[i // 3 % len(channels)]
        made.append((i % 3, shape(i % 3, height, width, depth, rng), height, width, depth))
    return made


def zipped(files, stored=False) -> bytes:
    """A zip of (name, bytes)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


def tarred(files, mode="w:gz", more=()) -> bytes:
    """A tar of (name, bytes), then ready TarInfos without content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for entry in more:
            archive.addfile(entry)
    return out.getvalue()
