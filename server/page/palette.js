/* Colours of boxes: those of server/image/annotate.c, so that a class looks the same everywhere. */

const COLOURS = [
    [255, 56, 56], [0, 148, 255], [61, 219, 134], [255, 178, 29], [146, 64, 245],
    [0, 212, 187], [255, 112, 31], [72, 108, 255], [207, 210, 49], [255, 55, 199],
    [26, 147, 52], [0, 194, 255], [203, 56, 255], [146, 204, 23], [255, 149, 200],
    [52, 69, 147], [170, 110, 40], [44, 153, 168], [132, 56, 86], [148, 170, 190],
];

/** The colour of a class and that of text on it: { back, text }, for CSS. */
export function colourOf(classId) {
    const [red, green, blue] = COLOURS[classId % COLOURS.length];
    const luma = (299 * red + 587 * green + 114 * blue) / 1000; // ITU-R BT.601
    return { back: `rgb(${red}, ${green}, ${blue})`, text: luma > 140 ? "black" : "white" };
}
