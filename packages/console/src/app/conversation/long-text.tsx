import { useState } from 'react';
import { Button } from '../parts/button.tsx';
import { numberText } from '../parts/duration.ts';

/** Shows the beginning of a long text, and all of it on request. */
export const LongText = ({
  text,
  limit,
  children,
}: {
  readonly text: string;
  readonly limit: number;
  /** Renders a text. */
  readonly children: (shown: string) => React.ReactNode;
}) => {
  const [isWhole, setWhole] = useState(false);
  if (text.length <= limit * 1.2 || isWhole) return <>{children(text)}</>;
  return (
    <>
      {children(text.slice(0, limit))}
      <p>
        <Button onClick={() => setWhole(true)}>Show all {numberText(text.length)} characters</Button>
      </p>
    </>
  );
};
