import { useState } from 'react';
import { useSource } from '../live/source.ts';
import type { Thread } from '../live/thread.ts';
import { announce } from '../parts/announce.ts';
import { Button } from '../parts/button.tsx';

/** Reads a page of earlier events, and says when they are there. */
export const OlderButton = ({ thread, name }: { readonly thread: Thread; readonly name: string }) => {
  const { isReadingOlder } = useSource(thread);
  const [failure, setFailure] = useState<string | null>(null);
  const read = async (): Promise<void> => {
    setFailure(null);
    try {
      await thread.readOlder();
      announce('Earlier events are shown');
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <>
      <Button disabled={isReadingOlder} onClick={() => void read()}>
        {isReadingOlder ? 'Reading…' : name}
      </Button>
      {failure !== null && <p role="alert">{failure}</p>}
    </>
  );
};
