#!/usr/bin/env python3
"""Writes ngram_numbers.h: hashed n-grams of some texts, by cutting every word into its substrings, one by one."""
import re
from collections import Counter
from pathlib import Path

K, MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1
TEXTS = ["a", "Hello, World 42!", "the cat the cat", "ÄRGER über Straße", "Привет МИР", "日本語のテキスト",
         "  spaces\tand\nlines  ", "ÀÉÎ ŽŠĆ ΑΒΓ", "naïve café 😀😀"]


def bucket(gram, bits):
    h = 0
    for c in gram:
        h = (h + ord(c) + 1) * K & MASK
        h ^= h >> 29
    return h >> (64 - bits)


def grams(text):
    for word in re.split(r"\s+", text.lower().strip()):
        padded = f" {word} "
        for n in range(2, 6):
            for start in range(len(padded) - n + 1):
                yield padded[start:start + n]


def main():
    lines = ["/* Written by gen_ngrams.py: a text's n-grams in 2^12 buckets, ascending. */",
             "static const struct ngram_case { const char *text; size_t count; struct ngram grams[80]; } ngram_cases[] = {"]
    for text in TEXTS:
        counts = sorted(Counter(bucket(g, 12) for g in grams(text)).items())
        quoted = "".join(f"\\{b:03o}" if b < 32 or b > 126 else chr(b) for b in text.encode())
        lines.append(f'  {{"{quoted}", {len(counts)}, {{' + ", ".join(f"{{{b}, {n}}}" for b, n in counts) + "}},")
    lines.append("};")
    Path(__file__).with_name("ngram_numbers.h").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
