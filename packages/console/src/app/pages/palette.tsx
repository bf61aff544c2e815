import { useNavigate } from '@tanstack/react-router';
import { Command } from 'cmdk';
import { useEffect, useMemo, useRef, useState } from 'react';
import { workers } from '../live/server.ts';
import { useSource } from '../live/source.ts';
import { conditionOf } from '../parts/condition.ts';
import { Dialog } from '../parts/dialog.tsx';
import { StatusMark } from '../parts/status.tsx';
import styles from './palette.module.css';
import { keyOf, listWorkers, nameOf } from './worker-list.ts';

const SHOWN = 40;

const PAGES = [
  { name: 'Workers', to: '/workers' },
  { name: 'Inbox', to: '/inbox' },
  { name: 'New Worker', to: '/workers/new' },
  { name: 'Runtimes', to: '/runtimes' },
  { name: 'Usage', to: '/usage' },
  { name: 'Account', to: '/account' },
] as const;

/** Finds Workers and pages by a few letters. */
export const Palette = ({ onClose }: { readonly onClose: () => void }) => {
  const navigate = useNavigate();
  const { items } = useSource(workers);
  const input = useRef<HTMLInputElement>(null);
  // an opened dialog focuses its first element that can have the focus, which is the list around the field
  useEffect(() => input.current?.focus(), []);
  const [text, setText] = useState('');
  // the list of Workers filters by itself: ten thousand elements are too many for the page
  const found = useMemo(() => listWorkers(items, { q: text }).workers.slice(0, SHOWN), [items, text]);
  const pages = PAGES.filter(({ name }) => name.toLowerCase().includes(text.toLowerCase()));
  // what is typed changes the choice at once, so that Enter never takes an item of an earlier text
  const [choice, setChoice] = useState({ text: '', value: '' });
  const [first] = [...found.map(keyOf), ...pages.map(({ to }) => to)];
  const value = choice.text === text && choice.value !== '' ? choice.value : (first ?? '');
  return (
    <Dialog title="Go to" isBare onClose={onClose}>
      <Command
        label="Go to"
        shouldFilter={false}
        loop
        value={value}
        onValueChange={(next) => setChoice({ text, value: next })}
      >
        <Command.Input
          ref={input}
          className={styles.input}
          value={text}
          onValueChange={setText}
          placeholder="A Worker or a page"
        />
        <Command.List className={styles.list}>
          <Command.Empty className={styles.empty}>Nothing has this name</Command.Empty>
          {found.length > 0 && (
            <Command.Group heading="Workers" className={styles.group}>
              {found.map((worker) => (
                <Command.Item
                  key={keyOf(worker)}
                  value={keyOf(worker)}
                  className={styles.item}
                  onSelect={() => {
                    onClose();
                    void navigate({
                      to: '/runtimes/$r/workers/$w',
                      params: { r: worker.runtimeId, w: worker.workerId },
                    });
                  }}
                >
                  <StatusMark condition={conditionOf(worker)} isNamed />
                  <span>{nameOf(worker)}</span>
                  <small>{worker.displayName === null ? worker.engine : worker.workerId}</small>
                </Command.Item>
              ))}
            </Command.Group>
          )}
          {pages.length > 0 && (
            <Command.Group heading="Pages" className={styles.group}>
              {pages.map(({ name, to }) => (
                <Command.Item
                  key={to}
                  value={to}
                  className={styles.item}
                  onSelect={() => {
                    onClose();
                    void navigate({ to });
                  }}
                >
                  <span>{name}</span>
                </Command.Item>
              ))}
            </Command.Group>
          )}
        </Command.List>
      </Command>
    </Dialog>
  );
};
