/* The server's counters: read from Prometheus text, asked for while the page can be seen. */

import { getMetrics } from "./api.js";

const INTERVAL_MS = 2000;

const ESCAPES = { "\\n": "\n", '\\"': '"', "\\\\": "\\" };

/** Prometheus text to [{ name, labels, value }]; comments and what is no sample are left out. */
export function parseMetrics(text) {
    const samples = [];
    for (const line of text.split("\n")) {
        const sample = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? +(\S+)/.exec(line);
        if (sample === null)
            continue;
        const labels = {};
        for (const [, key, value] of (sample[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
            labels[key] = value.replace(/\\[n"\\]/g, (escape) => ESCAPES[escape]);
        samples.push({ name: sample[1], labels, value: Number(sample[3]) });
    }
    return samples;
}

function total(samples, name) {
    return samples.filter((sample) => sample.name === name)
        .reduce((sum, sample) => sum + sample.value, 0);
}

/**
 * Calls show({ queue, rate, version, backend, healthy }) every two seconds while the page is
 * visible; rate is in pictures a second, null at first. Calls fail(problem) when there is no answer.
 */
export function watchMetrics(show, fail) {
    let before = null; // { pictures, at } of the last answer

    function rateOf(pictures) {
        const at = performance.now();
        // fewer than before: the server was started anew
        const rate = before !== null && pictures >= before.pictures
            ? (pictures - before.pictures) * 1000 / (at - before.at)
            : null;
        before = { pictures, at };
        return rate;
    }

    async function look() {
        try {
            const samples = parseMetrics(await getMetrics());
            const build = samples.find((sample) => sample.name === "spotter_build_info");
            show({
                queue: total(samples, "spotter_queue_depth"),
                rate: rateOf(total(samples, "spotter_batch_size_sum")),
                version: build?.labels.version ?? "",
                backend: build?.labels.backend ?? "",
                healthy: samples.every(
                    (sample) => sample.name !== "spotter_device_healthy" || sample.value === 1),
            });
        } catch (problem) {
            before = null;
            fail(problem);
        }
    }

    let wake = () => {};
    document.addEventListener("visibilitychange", () => wake());

    async function run() {
        for (;;) {
            if (document.visibilityState === "visible")
                await look();
            else
                before = null;
            await new Promise((done) => {
                wake = done;
                setTimeout(done, INTERVAL_MS);
            });
        }
    }
    run();
}
