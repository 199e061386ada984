/** Which header fields stay readable outside: the site says it, or the recipient source. */
export const HEADER_POLICIES = ['visible', 'baseline', 'minimal'] as const;

export type HeaderPolicy = (typeof HEADER_POLICIES)[number];
