"""Charts over numbers, which are on a canvas: what is drawn has its colour in light and dark, and what they do besides drawing."""

import unittest

from page_case import EveryPageCase

SOON_S = 20
# A chart with every kind of mark, each in a colour of its own.
MAKE = """
  async () => {
    const {plot} = await import("/assets/plot.js");
    const climb = (y) => [1, 2, 3, 4, 5].map((x) => [x, y + x]);
    window.picked = [];
    window.probe = plot({id: "probe", title: "Probe", height: 300, x: {label: "n"}, y: {label: "m", min: 0, max: 30}, onpick: (point, mark) => window.picked.push(mark.name), marks: [
      {kind: "bars", points: [[1, 2, 3], [2, 3, 4]], style: "s5", name: "bars"},
      {kind: "line", points: climb(5), style: "s1", name: "line", quiet: true}, {kind: "step", points: climb(8), style: "s3", name: "step", quiet: true},
      {kind: "lines", lines: [climb(11), climb(13)], style: "bad", name: "lines"}, {kind: "spans", points: climb(16).map(([x, y]) => [x, y, y + 2]), style: "s4", name: "spans"},
      {kind: "dots", points: [[1.5, 26, "a dot"], [4.5, 40, "beyond"]], style: "s2", size: 9, name: "dots"},
      {kind: "band", points: [[4, 0, 4], [5, 0, 4]], style: "s6", name: "band"}, {kind: "rule", axis: "x", at: 2.5, style: "dim", text: "here"}]});
    document.getElementById("main").prepend(window.probe.box);
  }"""

# How many pixels have a colour of the style sheet.
COUNT = """
([selector, name]) => {
  const canvas = document.querySelector(selector + " canvas");
  const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const wanted = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 250 && wanted.every((value, k) => Math.abs(data[i + k] - value) < 4)) count++;
  return count;
}"""
SIZE = """
() => {
  const canvas = document.querySelector("#probe canvas");
  return [canvas.width, canvas.clientWidth, document.querySelector("#probe .plot-area").clientWidth];
}"""
POINT_AT = """
([x, y]) => {
  const node = document.querySelector("#probe [role=img]"), area = node.querySelector(".u-over").getBoundingClientRect();
  const place = { clientX: area.left + area.width * (x - 0.84) / 4.32, clientY: area.bottom - area.height * y / 30, bubbles: true };
  node.dispatchEvent(new PointerEvent("pointermove", place));
  node.dispatchEvent(new MouseEvent("click", place));
  return document.querySelector("#probe .plot-tip:not([hidden])")?.textContent;
}"""


class Charts(EveryPageCase):
    def probe(self):
        self.open("/jobs/{job}", "#best-chart [data-dots]")
        self.page.evaluate(MAKE)
        self.see("#probe [data-dots]")

    def drawn(self):
        return self.page.evaluate("() => { const node = document.querySelector('#probe [role=img]'); return node && {...node.dataset}; }")

    def coloured(self, selector, name, least):
        self.wait(lambda: self.page.evaluate(COUNT, [selector, name]) >= least, SOON_S)

    def set(self, changes, found):
        self.page.evaluate(f"window.probe.set({changes})")
        self.wait(lambda: self.drawn() == found, SOON_S)

    def test_every_kind_has_its_colour(self):
        self.probe()
        self.assertEqual(self.drawn(), {"bars": "2", "line": "20", "spans": "5", "dots": "2", "band": "2", "rule": "1"})
        for scheme in ("light", "dark", "light"):
            self.page.emulate_media(color_scheme=scheme)
            for name, least in (("--s1", 50), ("--s2", 60), ("--s3", 50), ("--s4", 30), ("--s5", 100), ("--bad", 100)):
                with self.subTest(scheme=scheme, colour=name):
                    self.coloured("#probe", name, least)
        self.quiet()

    def test_the_pages_charts_have_their_colours(self):
        self.open("/jobs/{job}", "#best-chart [data-dots]", "#curves-chart")
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            for name in ("--s1", "--s3"):
                self.coloured("#best-chart", name, 6)
        self.assertTrue(self.see("#best-chart [role=img]").get_attribute("aria-label").startswith("Best score so far"))
        self.quiet()

    def test_new_data_keep_the_canvas(self):
        self.probe()
        self.page.evaluate("window.canvasBefore = document.querySelector('#probe canvas')")
        for marks, found in (("[{kind: 'line', points: [[1, 2], [2, 3], [3, null], [4, 9]], name: 'a'}]", {"line": "3"}),
                             ("[{kind: 'dots', points: [[1, 2]], name: 'a'}, {kind: 'line', points: [[1, 2], [2, 3]], name: 'b'}]", {"dots": "1", "line": "2"})):
            self.set(f"{{marks: {marks}}}", found)
            self.assertTrue(self.page.evaluate("document.querySelector('#probe canvas') === window.canvasBefore"))
        # Another kind of axis, no data, what is no chart of lines, and data again.
        self.set("{x: {kind: 'log'}, y: {}, marks: [{kind: 'line', points: [[0, 1], [0.001, 2], [1000, 3]], name: 'a'}]}", {"line": "2"})
        self.set("{marks: [], empty: 'Nothing yet.'}", None)
        self.says("#probe .plot-empty", "Nothing yet.")
        self.set("{marks: [{kind: 'hbars', points: [[1, 'one'], [2, 'two']], name: 'a'}], x: {}, y: {kind: 'band'}}", {})
        self.see("#probe .plot-area > svg .solid")
        self.set("{marks: [{kind: 'dots', points: [[1, 1], [2, 2]], name: 'a'}], x: {}, y: {}}", {"dots": "2"})
        self.quiet()

    def test_away_and_back(self):
        """A chart that left the page and comes back is drawn again."""
        self.probe()
        self.page.evaluate("window.probe.box.remove()")
        self.wait(lambda: self.page.evaluate("window.probe.box.querySelector('canvas') === null"), SOON_S)
        self.page.evaluate("document.getElementById('main').prepend(window.probe.box)")
        self.see("#probe [data-dots]")
        self.coloured("#probe", "--s2", 60)
        self.quiet()

    def test_pointer(self):
        """The nearest point tells its text beside it, and a click picks it; one beyond the axis is on its edge."""
        self.probe()
        for x, y, text in ((1.5, 26, "a dot"), (4.5, 30, "beyond")):
            self.assertEqual(self.page.evaluate(POINT_AT, [x, y]), text)
        self.assertEqual(self.page.evaluate("window.picked"), ["dots", "dots"])

    def test_sharp_and_wide(self):
        """The canvas has a pixel for each of the screen's, and follows the width."""
        for ratio in (1, 2):
            with self.apart(device_scale_factor=ratio):
                self.probe()
                for width in (1200, 420):
                    self.page.set_viewport_size({"width": width, "height": 900})
                    self.wait(lambda ratio=ratio: (lambda pixels, wide, area: wide == area and pixels == ratio * wide)(*self.page.evaluate(SIZE)), SOON_S)
                self.quiet()


if __name__ == "__main__":
    unittest.main()
