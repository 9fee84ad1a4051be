-- What a deployment says of itself. `deployment`: its id, made when the store is.
create table facts (
    name  text primary key,
    value text not null
);
