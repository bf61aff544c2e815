import test from 'ava';
import { type Report, withFigures } from '../bench/report.ts';
import { read, readJson } from './repository.ts';

test('README shows the latest figures', (t) => {
  t.is(read('README.md'), withFigures(read('README.md'), readJson<Report>('bench/results/latest.json')));
});

test('a page without the markers for figures is refused', (t) => {
  t.throws(() => withFigures('# No marks', readJson<Report>('bench/results/latest.json')), {
    instanceOf: TypeError,
  });
});
