import type { Page } from 'playwright-core';

/** The tokens that Workers used, and what they cost. */
export class UsagePage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async open(url: string, search = ''): Promise<void> {
    await this.page.goto(`${url}/#/usage${search}`);
  }

  get total() {
    return this.page.locator('[data-usage-total]');
  }

  /** Returns the lines of a table as text, with `|` between the cells. The last cell is a bar. */
  async lines(subject: 'Day' | 'Model' | 'Worker'): Promise<readonly string[]> {
    const rows = await this.page.locator(`[data-usage="${subject}"] tbody tr`).all();
    return Promise.all(
      rows.map(async (row) => (await row.locator('th, td').allTextContents()).slice(0, -1).join('|')),
    );
  }
}
