def refuse_if_broken(paths):
    pass
