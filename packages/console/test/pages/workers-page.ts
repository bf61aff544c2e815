import type { Page } from 'playwright-core';

/** The list of all Workers. */
export class WorkersPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async open(url: string, search = ''): Promise<void> {
    await this.page.goto(`${url}/#/workers${search}`);
  }

  get search() {
    return this.page.getByRole('searchbox', { name: 'Find Workers' });
  }

  line(name: string) {
    return this.page.getByRole('listitem').filter({ hasText: name });
  }

  filter(name: string) {
    return this.page.getByRole('button', { name, exact: false });
  }

  /** Returns the names of the lines that are in the document. */
  async names(): Promise<readonly string[]> {
    return this.page.locator('[data-worker] a > span:nth-child(2) > span:first-child').allTextContents();
  }

  /** Returns the number of Workers that the list has. */
  async total(): Promise<number> {
    const size = await this.page.locator('li[aria-setsize]').first().getAttribute('aria-setsize');
    return Number(size);
  }
}
