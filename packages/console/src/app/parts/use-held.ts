import { type RefObject, useEffect, useReducer, useRef } from 'react';

/** The time after which a pointer that moved over a list rests. */
const REST_MS = 1_000;

/** Returns a value that does not change while the pointer moves over an element: what a person aims at stays where it is. */
export const useHeld = <T>(value: T, over: RefObject<HTMLElement | null>): T => {
  const held = useRef(value);
  const movedAt = useRef(Number.NEGATIVE_INFINITY);
  const [, render] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const { current } = over;
    if (current === null) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const move = (): void => {
      movedAt.current = performance.now();
      clearTimeout(timer);
      timer = setTimeout(render, REST_MS);
    };
    const leave = (): void => {
      movedAt.current = Number.NEGATIVE_INFINITY;
      render();
    };
    current.addEventListener('pointermove', move);
    current.addEventListener('pointerdown', move);
    current.addEventListener('pointerleave', leave);
    return () => {
      clearTimeout(timer);
      current.removeEventListener('pointermove', move);
      current.removeEventListener('pointerdown', move);
      current.removeEventListener('pointerleave', leave);
    };
  }, [over]);
  if (performance.now() - movedAt.current >= REST_MS) held.current = value;
  return held.current;
};
