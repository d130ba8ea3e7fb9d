// The address of a page as a QR code, where a phone could open it.

import { checked } from "./requests.js";
import { SENTENCES } from "./sentences.js";

const AGAIN_MS = 60_000; // between two tries where the server is busy or gone

// Show `page` in an image; `note` is told where no phone could open it.
export async function showCode(image, note, page) {
  if (/^(localhost|127\.|\[::1\])/.test(page.hostname)) {
    note.textContent = SENTENCES.codeLocal;
    return;
  }
  for (;;) {
    try {
      const query = new URLSearchParams({ page: page.href });
      const picture = await (await checked(await fetch(`api/qr?${query}`))).text();
      image.src = `data:image/svg+xml,${encodeURIComponent(picture)}`;
      image.hidden = false;
      return;
    } catch (error) {
      if ([400, 403, 404, 413].includes(error.status)) return;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}
