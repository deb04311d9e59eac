-- A write that touches another number of rows than the check before it admits fails its whole transaction.
create function require(actual bigint, expected integer) returns bigint
  language plpgsql as $$
begin
  if actual <> expected then
    raise exception '% rows were written where the checks before admit %', actual, expected using errcode = 'PD001';
  end if;
  return actual;
end
$$;

-- Runs that another transaction has locked, or that another worker has taken: the batch is written with care instead.
create function require_ready(actual bigint, expected integer) returns bigint
  language plpgsql as $$
begin
  if actual <> expected then
    raise exception '% of % runs are ready for their commit', actual, expected using errcode = 'PD002';
  end if;
  return actual;
end
$$;
