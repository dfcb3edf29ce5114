"""SMS providers behind HTTP.

Read `provider` (what a provider is) and `exchange` (HTTP as values) first, then one
provider: a file, or a folder whose `provider` comes first.  These are pure.  `http`,
`webhooks` and `poller` are the shells; `channel_cloud` puts them together, and
`channel` lists the providers.
"""
