/*
 * The class filter: one button a class. None pressed means all are shown; pressed ones are shown
 * alone. Detectors with many classes get buttons for those that have been found.
 */

import { colourOf } from "./palette.js";

const ALL_UP_TO = 12;

export function createClassFilter(changed) {
    const group = document.getElementById("classes");
    let buttons = new Map(); // class name to { button, count, classId }
    let all = null;
    let chosen = new Set();

    function update() {
        all.setAttribute("aria-pressed", String(chosen.size === 0));
        for (const [name, { button }] of buttons)
            button.setAttribute("aria-pressed", String(chosen.has(name)));
    }

    function addButton(text, pressed) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "chip";
        button.append(text);
        button.addEventListener("click", () => {
            pressed();
            update();
            changed();
        });
        group.append(button);
        return button;
    }

    function addClass(name, classId) {
        const button = addButton(name, () => {
            if (!chosen.delete(name))
                chosen.add(name);
        });
        const swatch = document.createElement("span");
        swatch.className = "swatch";
        swatch.style.backgroundColor = colourOf(classId).back;
        const count = document.createElement("span");
        count.className = "count";
        button.dataset.label = name;
        button.prepend(swatch);
        button.append(" ", count);
        buttons.set(name, { button, count, classId });
    }

    return {
        /** For a model with these classes, nothing chosen. */
        reset(names) {
            group.replaceChildren();
            buttons = new Map();
            chosen = new Set();
            all = addButton("all", () => chosen.clear());
            if (names.length <= ALL_UP_TO)
                names.forEach(addClass);
            update();
        },

        /** Shows how many of each class there are. */
        count(detections) {
            const counts = new Map();
            for (const { label, class_id } of detections) {
                counts.set(label, (counts.get(label) ?? 0) + 1);
                if (!buttons.has(label))
                    addClass(label, class_id);
            }
            for (const [name, { button, count }] of buttons) {
                count.textContent = counts.get(name) ?? "";
                button.classList.toggle("absent", !counts.has(name));
            }
            update();
        },

        accepts(label) {
            return chosen.size === 0 || chosen.has(label);
        },

        /** The classes to show, as a request names them; [] for all. */
        chosen() {
            return [...chosen].map(
                (name) => name.includes(",") ? String(buttons.get(name).classId) : name);
        },
    };
}
