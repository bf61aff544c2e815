import type { TranscriptItem } from '@worker-runtime/core';
import type { Page } from 'playwright-core';

/** An item of a transcript, as far as a page shows it. */
export interface ShownItem {
  readonly seq: number;
  readonly text: string;
}

/** The page of a Worker. */
export class WorkerPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async open(url: string, runtimeId: string, workerId: string, view = ''): Promise<void> {
    await this.page.goto(`${url}/#/runtimes/${runtimeId}/workers/${encodeURIComponent(workerId)}${view}`);
  }

  get input() {
    return this.page.getByRole('textbox', { name: 'Input' });
  }

  get cancel() {
    return this.page.getByRole('button', { name: 'Cancel run' });
  }

  get connection() {
    return this.page.locator('[data-connection]');
  }

  /** Waits until the last page is shown. */
  async isLoaded(): Promise<void> {
    await this.page.locator('[data-loaded="true"]').waitFor();
  }

  async say(text: string): Promise<void> {
    await this.input.fill(text);
    await this.input.press('Enter');
  }

  /** Waits until a text is shown in the conversation. */
  async shows(text: string): Promise<void> {
    await this.page.locator('main').getByText(text, { exact: true }).last().waitFor();
  }

  /** Rebuilds the transcript from the elements of the page. */
  async shown(): Promise<readonly ShownItem[]> {
    return this.page.evaluate<ShownItem[]>(`(() => {
      const all = [];
      for (const block of document.querySelectorAll('[data-kind][data-seq]')) {
        const { kind, seq, resultSeq } = block.dataset;
        const text = (selector) => [...block.querySelectorAll(selector)].map((one) => one.textContent).join('');
        if (kind === 'input') all.push({ seq: Number(seq), text: text('article > p') });
        if (kind === 'message') all.push({ seq: Number(seq), text: text('article > div') });
        if (kind === 'call') {
          const [input, output] = [...block.querySelectorAll('pre')].map((one) => one.textContent);
          all.push({ seq: Number(seq), text: text('summary b') + ' ' + input });
          if (resultSeq !== undefined) all.push({ seq: Number(resultSeq), text: output });
        }
        if (kind === 'run-end') {
          const outcome = block.querySelector('[data-outcome]');
          if (outcome) all.push({ seq: Number(seq), text: outcome.dataset.outcome });
        }
      }
      return all.sort((one, other) => one.seq - other.seq);
    })()`);
  }
}

const valueText = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value, null, 2);

/** Returns what a page must show of a transcript. */
export const expected = (items: readonly TranscriptItem[]): readonly ShownItem[] =>
  items.map(({ seq, parts }) => ({
    seq,
    text: parts
      .map((part) => {
        if (part.type === 'text') return part.text;
        if (part.type === 'tool-call') return `${part.name} ${valueText(part.input)}`;
        if (part.type === 'tool-result') return part.error ?? valueText(part.output);
        return part.type === 'run-end' ? part.outcome : '';
      })
      .join(''),
  }));
