import { existsSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import test from 'ava';
import { filesBelow } from './language.ts';
import { read, root } from './repository.ts';

/** The anchors that GitHub gives to the headings of a page. */
const anchorsIn = (page: string): string[] =>
  [...page.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ +(.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );

/** The targets of the relative links and pictures in a page. */
const targetsIn = (page: string): string[] =>
  [...page.replace(/^```[\s\S]*?^```/gm, '').matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target));

test('every relative link in a page leads to a file, and to a heading if it names one', (t) => {
  const pages = filesBelow(root)
    .map((path) => path.slice(root.length))
    .filter((path) => path.endsWith('.md'));
  t.true(pages.includes('README.md') && pages.includes('packages/core/README.md'));
  const broken = pages.flatMap((page) =>
    targetsIn(read(page)).flatMap((target) => {
      const [file = '', anchor] = target.split('#');
      const path = file === '' ? page : normalize(join(dirname(page), file));
      if (!existsSync(join(root, path))) return [`${page}: ${target}`];
      const isPage = anchor !== undefined && statSync(join(root, path)).isFile();
      return isPage && !anchorsIn(read(path)).includes(anchor) ? [`${page}: ${target}`] : [];
    }),
  );
  t.deepEqual(broken, []);
});

test('anchors and targets are read from headings and links', (t) => {
  t.deepEqual(anchorsIn('# A page\n\n## `core`, and the rest\n```sh\n# a remark\n```\n'), [
    'a-page',
    'core-and-the-rest',
  ]);
  t.deepEqual(targetsIn('[a](b.md#c) ![d](e.svg)\n[f\ng](h.ts), [i](https://j)\n'), [
    'b.md#c',
    'e.svg',
    'h.ts',
  ]);
});
