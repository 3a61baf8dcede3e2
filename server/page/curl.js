/* The curl line that does what the page just did, and the button that copies it. */

import { detectPath } from "./api.js";

/** One word of a POSIX shell command. */
export function quote(word) {
    return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export function curlLine(fileName, model, confidence, classes) {
    const address = new URL(detectPath(model, confidence, classes), location.href).href;
    return `curl --data-binary ${quote("@" + fileName)} ${quote(address)}`;
}

/** navigator.clipboard is there on https and localhost only. */
async function copy(element) {
    if (navigator.clipboard !== undefined)
        return navigator.clipboard.writeText(element.textContent);
    getSelection().selectAllChildren(element);
    if (!document.execCommand("copy"))
        throw new Error("copying was refused");
    return undefined;
}

export function listenForCopy() {
    const button = document.getElementById("copy");
    const copied = document.getElementById("copied");
    const line = document.getElementById("curl");
    let timer = 0;
    button.addEventListener("click", async () => {
        try {
            await copy(line);
            button.textContent = copied.textContent = "Copied";
        } catch {
            getSelection().selectAllChildren(line);
            button.textContent = copied.textContent = "Selected";
        }
        clearTimeout(timer);
        timer = setTimeout(() => {
            button.textContent = "Copy";
            copied.textContent = "";
        }, 2000);
    });
}
