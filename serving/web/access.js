// The form that asks for an API key. The key stays in the memory of this page.
import { byId } from "./dom.js";

/** Resolves to the key typed, or null when the form was closed without one. `wrong`: an earlier key was refused. */
export function askForKey(wrong) {
  const dialog = byId("access");
  const input = byId("key");
  byId("access-wrong").hidden = !wrong;
  input.value = "";
  dialog.showModal();
  input.focus();
  return new Promise((resolve) => {
    const end = (key) => {
      controller.abort();
      dialog.close();
      input.value = "";
      resolve(key);
    };
    const controller = new AbortController();
    const { signal } = controller;
    byId("access-form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (input.value.trim()) end(input.value.trim());
    }, { signal });
    byId("access-cancel").addEventListener("click", () => end(null), { signal });
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      end(null);
    }, { signal });
  });
}
