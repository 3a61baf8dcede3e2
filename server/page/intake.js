/* Ways for a picture to come in: chosen, dropped anywhere on the page, pasted. */

/** Calls take(file) for each; complain(text) for what carries no file. */
export function listenForPictures(take, complain) {
    const choose = document.getElementById("choose");
    const input = document.getElementById("file");
    const stage = document.getElementById("stage");

    function takeFirst(files, nothing) {
        if (files.length > 0)
            take(files[0]);
        else
            complain(nothing);
    }

    choose.addEventListener("click", () => input.click());
    stage.addEventListener("click", () => {
        if (stage.dataset.state === "empty")
            input.click();
    });
    input.addEventListener("change", () => {
        if (input.files.length > 0)
            take(input.files[0]);
        input.value = ""; // so that the same file can be chosen again
    });

    document.addEventListener("dragover", (event) => {
        event.preventDefault();
        document.body.classList.add("dropping");
    });
    document.addEventListener("dragleave", (event) => {
        if (event.relatedTarget === null)
            document.body.classList.remove("dropping");
    });
    document.addEventListener("drop", (event) => {
        event.preventDefault();
        document.body.classList.remove("dropping");
        takeFirst(event.dataTransfer.files, "What was dropped is no file. Save the picture first.");
    });
    document.addEventListener("paste", (event) =>
        takeFirst(event.clipboardData.files, "There is no picture on the clipboard."));
}
