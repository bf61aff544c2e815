import { ageText } from './duration.ts';
import { useNow } from './use-now.ts';

const exact = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat('en', { month: 'short', day: 'numeric' });

/** The age of a moment, which grows. The exact time is in its tooltip. */
export const Age = ({ of }: { readonly of: string }) => {
  const now = useNow();
  return (
    <time dateTime={of} title={exact.format(new Date(of))}>
      {ageText(now - Date.parse(of))}
    </time>
  );
};

/** A moment as people write it: the time of today, or the day and the time. */
export const Moment = ({ of }: { readonly of: string }) => {
  const date = new Date(of);
  const isToday = date.toDateString() === new Date().toDateString();
  return (
    <time dateTime={of} title={exact.format(date)}>
      {isToday ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`}
    </time>
  );
};
