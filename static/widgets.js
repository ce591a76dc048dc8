// Small parts that several views use.
import { useEffect, useLayoutEffect, useState } from "./vendor/vendor.js";
import { command } from "./server.js";

/** Close on Escape, which gives the focus back, and on a press elsewhere. */
export function useDismiss(open, box, close) {
  useLayoutEffect(() => {
    if (!open) return undefined;
    const pressed = (event) => {
      if (!box.current?.contains(event.target)) close();
    };
    const typed = (event) => {
      if (event.key !== "Escape") return;
      close();
      box.current?.querySelector("[aria-expanded]")?.focus();
    };
    addEventListener("pointerdown", pressed);
    addEventListener("keydown", typed);
    return () => {
      removeEventListener("pointerdown", pressed);
      removeEventListener("keydown", typed);
    };
  }, [open]);
}

/** Send one command at a time: `{ tell, busy, problem }`; `tell` resolves to whether it worked. */
export function useCommand() {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const tell = async (path, body = {}) => {
    setBusy(true);
    setProblem("");
    try {
      await command(path, body);
      return true;
    } catch (error) {
      setProblem(error.message);
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { tell, busy, problem };
}

/** Whether the window is at least this many pixels wide; kept up to date. */
export function useWide(pixels) {
  const [wide, setWide] = useState(matchMedia(`(min-width: ${pixels}px)`).matches);
  useEffect(() => {
    const query = matchMedia(`(min-width: ${pixels}px)`);
    const changed = () => setWide(query.matches);
    changed();
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, [pixels]);
  return wide;
}
