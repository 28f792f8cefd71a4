"""The page for everyone: by keyboard alone, to screen readers, in light and dark, on a phone."""

import unittest

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from page_driver import PageTest

# Whether colours have ended fading from one scheme to the other.
SETTLED = """
getComputedStyle(document.body).color;  // a change of style starts the fading
return document.getAnimations().every((one) => one.playState !== "running");
"""

# Every visible text with less contrast than WCAG 2.1 asks for (1.4.3: 4.5, large text 3), [words, contrast].
PALE = """
const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
const luminance = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
function ground(element) {
  for (let behind = element; behind; behind = behind.parentElement) {
    const colour = parse(getComputedStyle(behind).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
}
const pale = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const words = walker.currentNode.textContent.trim();
  const element = walker.currentNode.parentElement;
  if (!words || !element.checkVisibility({ visibilityProperty: true })) continue;
  if (element.closest(".hidden, .corner, svg, option")) continue;
  const style = getComputedStyle(element);
  const [a, b] = [luminance(parse(style.color)), luminance(ground(element))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  if (contrast < (large ? 3 : 4.5)) pale.push([words.slice(0, 40), contrast]);
}
return pale;
"""

# What a checker of accessibility would complain about: [what, element].
COMPLAINTS = """
const found = [];
const complain = (what, element) => found.push([what, element.outerHTML.slice(0, 120)]);
const visible = (element) => element.checkVisibility();
const labelled = (element) => (element.getAttribute("aria-labelledby") ?? "").split(" ")
  .some((id) => document.getElementById(id)?.textContent.trim());
const named = (element) => (element.getAttribute("aria-label") ?? "").trim() || element.textContent.trim() ||
  [...(element.labels ?? [])].some((label) => label.textContent.trim()) || labelled(element);
const controls = "button, input, select, a, summary, [role=slider], [role=meter], [role=group], progress";
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
for (const id of ids.filter((id, i) => ids.indexOf(id) !== i)) complain("id twice", document.getElementById(id));
for (const element of document.querySelectorAll(controls)) {
  if (!named(element)) complain("no name", element);
}
for (const image of document.querySelectorAll("img")) if (!image.hasAttribute("alt")) complain("no alt", image);
for (const drawing of document.querySelectorAll("svg")) {
  const silent = drawing.getAttribute("aria-hidden") === "true";
  if (!silent && !drawing.getAttribute("aria-label")) complain("no name", drawing);
}
for (const element of document.querySelectorAll("[aria-labelledby], [aria-describedby]")) {
  for (const name of ["aria-labelledby", "aria-describedby"]) {
    for (const id of (element.getAttribute(name) ?? "").split(" ").filter(Boolean)) {
      if (!document.getElementById(id)) complain(`${name} of nothing`, element);
    }
  }
}
for (const element of document.querySelectorAll("[tabindex]")) if (element.tabIndex > 0) complain("tabindex", element);
for (const slider of document.querySelectorAll("[role=slider]")) {
  if (visible(slider) && !slider.getAttribute("aria-valuetext")) complain("slider without value", slider);
}
let level = 1;
for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
  if (!visible(heading)) continue;
  const now = Number(heading.tagName[1]);
  if (now > level + 1) complain(`after h${level}`, heading);
  level = now;
}
if (document.querySelectorAll("h1:not(#report h1)").length !== 1) complain("not one h1", document.body);
if (!document.documentElement.lang) complain("no language", document.documentElement);
return found;
"""

# Whether the focused element shows that it is: an outline, or a ring of its own.
FOCUS = """
const style = getComputedStyle(document.activeElement);
return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
"""


class AccessTest(PageTest):
    def show_slice(self):
        self.drop(("slice.png", "image/png", self.png))
        self.wait_for_studies(1)
        self.canvas()

    def press(self, *keys):
        actions = ActionChains(self.browser)
        for key in keys:
            actions.send_keys(key)
        actions.perform()

    def tab_to(self, wanted, most=60):
        """Tabs until the element is focused; each stop on the way must be seen."""
        for _ in range(most):
            self.press(Keys.TAB)
            self.assertTrue(self.script(FOCUS), self.script("return document.activeElement.outerHTML.slice(0, 200)"))
            if self.script("return document.activeElement.matches(arguments[0])", wanted):
                return
        raise AssertionError(f"no way to {wanted} by the Tab key")

    def test_everything_can_be_reached_and_done_by_keyboard(self):
        self.script("document.activeElement.blur()")
        self.press(Keys.TAB)
        self.assertEqual(self.script("return document.activeElement.className"), "skip")
        self.tab_to("#choose")
        self.tab_to("#choose-folder")
        self.show_slice()
        self.tab_to(".study")
        self.tab_to('[data-tool="move"]')
        self.press(Keys.ENTER)
        self.assertEqual(self.find('[data-tool="move"]').get_attribute("aria-pressed"), "true")
        self.tab_to("#viewport")
        self.press("+", "+")
        self.wait(lambda: self.text("#zoomed") == "156 %")
        self.press("]")
        self.wait(lambda: "W 255 " not in self.text("#windowed"))
        self.press("0")
        self.wait(lambda: self.text("#zoomed") == "100 %" and "W 255 " in self.text("#windowed"))
        self.assertIn("zoom 100 percent", self.find("#viewport").get_attribute("aria-label"))
        self.tab_to("#level")
        self.press(Keys.ARROW_RIGHT)
        self.wait(lambda: "L 128" not in self.text("#windowed"))
        self.tab_to("#print")
        self.tab_to("footer a")
        self.check_console()

    def test_focus_stays_when_what_was_found_is_told_anew(self):
        self.show_slice()
        summary = "#slice-findings .certainty summary"
        self.wait(lambda: self.text(summary) != "")
        self.script("const old = document.querySelector(arguments[0]); old.focus(); old.dataset.old = '';"
                    "document.getElementById('slice').dispatchEvent(new Event('input'))", summary)
        self.assertEqual(self.find_all("[data-old]"), [])
        self.assertTrue(self.script("return document.activeElement.matches(arguments[0])", summary))

    def test_every_control_has_a_name_and_every_reference_a_target(self):
        self.assertEqual(self.script(COMPLAINTS), [])
        self.show_slice()
        self.assertEqual(self.script(COMPLAINTS), [])

    def test_text_is_readable_in_light_and_dark(self):
        self.addCleanup(self.emulate)
        self.drop(("slice.png", "image/png", self.png), ("letter.txt", "text/plain", b"Dear doctor"))
        self.wait_for_studies(1, failed=1)
        self.script("for (const one of document.querySelectorAll('details')) one.open = true")
        for scheme in ("light", "dark"):
            self.emulate(prefers_color_scheme=scheme)
            self.wait(lambda: self.script("return document.documentElement.dataset.theme") == scheme)
            for name in ("slice.png", "letter.txt"):
                self.choose_study(name)
                with self.subTest(scheme=scheme, study=name):
                    self.wait(lambda: self.script(SETTLED))
                    self.assertEqual(self.script(PALE), [])

    def test_the_theme_can_be_chosen_and_is_remembered(self):
        self.addCleanup(self.script, "localStorage.clear()")
        self.emulate(prefers_color_scheme="light")
        self.addCleanup(self.emulate)
        self.click("#theme")
        self.assertEqual(self.script("return document.documentElement.dataset.theme"), "dark")
        self.assertEqual(self.find("#theme").get_attribute("aria-pressed"), "true")
        self.open_page()
        self.assertEqual(self.script("return document.documentElement.dataset.theme"), "dark")

    def test_nothing_moves_for_those_who_ask_for_that(self):
        self.emulate(prefers_reduced_motion="reduce")
        self.addCleanup(self.emulate)
        names = self.script("""
          document.getElementById("findings-body").innerHTML = '<span class="spinner"></span>';
          return [getComputedStyle(document.querySelector(".spinner")).animationName,
                  getComputedStyle(document.getElementById("drop")).transitionProperty];""")
        self.assertEqual(names[0], "none")

    def test_page_fits_a_phone(self):
        self.phone()
        self.open_page()
        self.assertLessEqual(self.script("return document.documentElement.scrollWidth"), 360)
        self.show_slice()
        self.script("for (const one of document.querySelectorAll('details')) one.open = true")
        self.assertLessEqual(self.script("return document.documentElement.scrollWidth"), 360)
        self.assertGreater(self.script("return document.getElementById('viewport').clientWidth"), 280)
        small = self.script("""
          return [...document.querySelectorAll("button, select")].filter((element) => element.checkVisibility())
            .filter((element) => element.getBoundingClientRect().height < 24).map((element) => element.outerHTML);""")
        self.assertEqual(small, [])  # WCAG 2.2, 2.5.8


if __name__ == "__main__":
    unittest.main(verbosity=2)
