# SPDX-License-Identifier: Apache-2.0
"""What the driver makes of its figures. Run by tests/e2e/bench.test.mjs."""
import json
import unittest
import xml.etree.ElementTree

from harness import chart, figures, goals, measure, report, table, works


def run(cpu_us, **more):
    times = {"p50": 1000, "p99": 2000, "p999": 3000, "max": 4000}
    return {"per_s": 10.0, "cpu_us": cpu_us, "bad": 0, "fault": "", "start_ms": 1,
            "start_kib": 1024, "load_kib": 2048, "each_kib": None, "first_us": times,
            "gap_us": times, **more}


def results(**targets):
    """One work, each target with these CPU times."""
    work = works.WORKS[0]
    runs = {name: [run(cpu) for cpu in cpus] for name, cpus in targets.items()}
    return {"machine": {"processor": "<fast>", "processors": 2, "date": "2026-01-01",
                        "commit": "abc", "nginx": "1"},
            "works": [{"name": work.name, "title": work.heading(), "unit": work.unit, "targets": {
                name: figures.summary(work, r, runs.get("nginx")) for name, r in runs.items()}}]}


class Figures(unittest.TestCase):
    def test_a_ratio_compares_runs_of_one_turn(self):
        ours, nginx = [run(20), run(60), run(30)], [run(10), run(20), run(30)]
        self.assertEqual(figures.ratio(ours, nginx, "cpu_us"), 2)  # of 2, 3 and 1
        self.assertIsNone(figures.ratio(ours, None, "cpu_us"))
        self.assertIsNone(figures.ratio([run(1)], [run(0)], "cpu_us"))

    def test_spread_is_half_of_the_range_to_the_median(self):
        self.assertAlmostEqual(figures.spread([9, 10, 12]), 0.15)
        self.assertIsNone(figures.spread([9]))

    def test_added_is_through_minus_direct_of_the_same_turn(self):
        runs = [run(1, through_us={"p50": t, "p99": t, "p999": t}, direct_us={
            "p50": 1000, "p99": 500, "p999": t}) for t in (3000, 2000, 1000)]
        self.assertEqual(figures.added_ms(runs), {"p50": 1, "p99": 1.5, "p999": 0})
        self.assertIsNone(figures.added_ms([run(1)]))

    def test_a_member_that_one_run_lacks_has_no_median(self):
        self.assertEqual(figures.median_of([run(3), run(5), run(4)], "cpu_us"), 4)
        self.assertEqual(figures.median_of([run(3)], "first_us", "p99"), 2000)
        self.assertIsNone(figures.median_of([run(3), {}], "cpu_us"))

    def test_percentiles_of_times_until_closed(self):
        self.assertEqual(measure.percentiles(range(101)), {"p50": 50, "p99": 99, "max": 100})
        self.assertIsNone(measure.percentiles([]))


class Works(unittest.TestCase):
    def test_an_answer_says_what_is_expected(self):
        for work in works.WORKS:
            said = work.answer()
            if work.stream:
                events = [e.removeprefix("data: ") for e in said.split("\n\n")]
                self.assertEqual(events[-2:], ["[DONE]", ""])
                deltas = [json.loads(e)["choices"][0]["delta"] for e in events[:-2]]
                self.assertEqual(len(deltas), work.chunks + 1)
                said = "".join(d.get("content", "") for d in deltas)
            else:
                self.assertLess(abs(len(said) - 400), 40)
                said = json.loads(said)["choices"][0]["message"]["content"]
            self.assertEqual(said, work.text())
            self.assertNotRegex(work.text(), r"[^\w .]")  # nothing that JSON escapes

    def test_a_request_is_as_long_as_it_says(self):
        for work in works.WORKS:
            head, _, body = work.request(80, {"a": "b"}).partition(b"\r\n\r\n")
            self.assertIn(b"content-length: %d\r\na: b" % len(body), head)
            json.loads(body)
        sizes = {w.name: len(w.request(80, {})) for w in works.WORKS}
        self.assertLess(abs(sizes["a"] - 2048), 300)
        self.assertLess(abs(sizes["b"] - 102400), 5000)

    def test_works_are_chosen_by_name_or_letter(self):
        self.assertEqual([w.name for w in works.chosen("d-64 a")], ["a", "d-64"])
        self.assertEqual({w.letter for w in works.chosen("t")}, {"t"})
        self.assertEqual(works.chosen(""), works.WORKS)
        self.assertTrue(works.chosen(works.QUICK))
        with self.assertRaisesRegex(SystemExit, "no work is called x"):
            works.chosen("a x")

    def test_every_goal_is_a_figure_of_a_work(self):
        full = run(10, through_us=run(1)["first_us"], direct_us=run(1)["first_us"], each_kib=1,
                   closed_us=run(1)["first_us"])
        every = {w.name: {t: figures.summary(w, [full], [full]) for t in w.targets}
                 for w in works.WORKS}
        for what, _, value in goals.GOALS:
            self.assertIsInstance(value(every), (int, float), what)


class Reports(unittest.TestCase):
    def test_goals_are_of_what_was_measured(self):
        found = goals.reached(results(gateway=[12], nginx=[10]))
        self.assertEqual([(most, round(value, 2)) for _, most, value in found], [(1.3, 1.2)])

    def test_a_table_leaves_out_what_nobody_has(self):
        work = results(gateway=[12], nginx=[10])["works"][0]
        lines = table.as_text(work).splitlines()
        self.assertEqual(len(lines), 4)
        self.assertRegex(lines[2], r"^  gateway +10 +12.0 +1.20 ")
        self.assertNotIn("KiB", lines[1])
        self.assertIn("| gateway | 10 | 12.0 | 1.20 |", table.as_markdown(work))

    def test_a_chart_is_a_drawing_with_a_bar_for_each_that_is_compared(self):
        svg = xml.etree.ElementTree.fromstring(
            chart.draw(results(gateway=[20], nginx=[10], portkey=[100])))
        bars = [r for r in svg.iter("{http://www.w3.org/2000/svg}rect") if r.get("height") == "13"]
        widths = [float(r.get("width")) for r in bars]
        self.assertEqual([r.get("fill") for r in bars], list(chart.COLORS.values()))
        self.assertAlmostEqual(widths[0], chart.x_of(2) - chart.x_of(1), places=0)
        self.assertLess(widths[0], widths[1])

    def test_the_page_has_the_latest_results(self):
        with open(report.RESULTS) as f, open(report.PAGE) as page:
            self.assertIn(report.page(json.load(f)), page.read())


if __name__ == "__main__":
    unittest.main()
