import { useSource } from '../live/source.ts';
import { announcements } from './announce.ts';

/** The live region of all pages. It is there before its first text, because screen readers miss the text of a region that is added with it. */
export const Announcer = () => (
  <div role="log" aria-label="Announcements" className="visually-hidden">
    {useSource(announcements).map(({ key, text }) => (
      <p key={key}>{text}</p>
    ))}
  </div>
);
