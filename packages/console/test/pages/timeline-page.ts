import type { Page } from 'playwright-core';

/** The runs of a Worker as bars. */
export class TimelinePage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async open(url: string, runtimeId: string, workerId: string): Promise<void> {
    await this.page.goto(`${url}/#/runtimes/${runtimeId}/workers/${workerId}/timeline`);
    await this.page.getByRole('region', { name: 'Runs' }).waitFor();
  }

  run(title: string) {
    return this.page.getByRole('region', { name: title, exact: true });
  }

  /** Returns the bars of a run as their kind and their name. */
  async bars(title: string): Promise<readonly string[]> {
    const bars = await this.run(title).locator('[data-kind]').all();
    return Promise.all(
      bars.map(async (bar) => {
        const [kind, text] = [await bar.getAttribute('data-kind'), await bar.getAttribute('title')];
        return `${kind} ${text?.split(', ')[0]}`;
      }),
    );
  }

  bar(name: string) {
    return this.page.locator('[data-kind]').filter({ hasText: name }).first();
  }

  /** Returns how many times wider than its frame the axis is. */
  async zoom(): Promise<number> {
    return this.page.evaluate<number>(`(() => {
      const frame = document.querySelector('[aria-label="Runs"]');
      return Math.round((frame.firstElementChild.offsetWidth / frame.clientWidth) * 10) / 10;
    })()`);
  }
}
