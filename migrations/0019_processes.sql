-- Which process a worker is, on which boot of which machine, as Linux tells it; null elsewhere. Whoever runs beside it can see that
-- it is over.
alter table workers add column process text;
