import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';

/** The log of a Worker. */
export class EventsPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async open(url: string, runtimeId: string, workerId: string, search = ''): Promise<void> {
    await this.page.goto(`${url}/#/runtimes/${runtimeId}/workers/${workerId}/events${search}`);
    await this.page.locator('[data-event]').first().waitFor();
  }

  get search() {
    return this.page.getByRole('searchbox', { name: 'Find in the events that are loaded' });
  }

  /** The event that the address names. */
  get marked() {
    return this.page.locator('[data-event][data-marked="true"]');
  }

  event(seq: number) {
    return this.page.locator(`[data-event="${seq}"]`);
  }

  /** Returns the numbers of the events that are in the document, the newest first. */
  async seqs(): Promise<readonly number[]> {
    const all = await this.page.evaluate<string[]>(
      '[...document.querySelectorAll("[data-event]")].map((one) => one.dataset.event)',
    );
    return all.map(Number).sort((one, other) => other - one);
  }

  /** Ticks a type of event in the filter. */
  async tick(name: string): Promise<void> {
    await this.page.locator('[popovertarget="event-types"]').click();
    await this.page.locator('#event-types').getByLabel(name).check();
    await this.page.keyboard.press('Escape');
  }

  /** Chooses an export, and returns the name of its file and the text in it. */
  async exported(name: string): Promise<{ readonly name: string; readonly text: string }> {
    await this.page.locator('[popovertarget="event-files"]').click();
    const [download] = await Promise.all([
      this.page.waitForEvent('download'),
      this.page.getByRole('button', { name }).click(),
    ]);
    await this.page.keyboard.press('Escape');
    return { name: download.suggestedFilename(), text: await readFile(await download.path(), 'utf8') };
  }
}
